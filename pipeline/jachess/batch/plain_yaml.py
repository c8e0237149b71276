"""YAML as people write it: no references, no key twice, and no more than a file of settings needs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from jachess.errors import JobError, words

_LARGEST_FILE = 1 << 20


def read_yaml_file(path: Path, kind: str) -> Any:
    """What a YAML file holds.

    Raises
    ------
    JobError
        If there is no such file, or it cannot be read.
    """
    try:
        if not path.is_file():
            raise JobError(f"{path}: there is no such {kind}.")
        if path.stat().st_size > _LARGEST_FILE:
            raise JobError(f"{path}: too large for a {kind} (wanted at most {_LARGEST_FILE} bytes).")
        return read_yaml(path.read_bytes(), str(path))
    except OSError as error:
        raise JobError(f"{path}: cannot be read ({error.strerror}).") from error


def read_yaml(text: str | bytes, where: str) -> Any:
    """What YAML in UTF-8 says.

    Raises
    ------
    JobError
        If it is none, has a key twice, or refers to itself.
    """
    try:
        return yaml.load(text.decode() if isinstance(text, bytes) else text, Loader=_PlainLoader)
    except Exception as error:  # YAMLError, and whatever PyYAML makes of tags with other things than they are for
        raise JobError(f"{where}: not YAML: {words(error)}.") from error


class _PlainLoader(yaml.SafeLoader):
    """Refuses a key that stands twice in a mapping, as the second would silently win, and what is said by reference.

    With references a small file can grow without bounds, or hold itself.
    """

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.events.AliasEvent):
            raise yaml.composer.ComposerError(problem="references (*name) are not supported")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise yaml.constructor.ConstructorError(None, None, "a key must be a word", key_node.start_mark)
            if key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"key '{key}' stands twice", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)
