"""Fuzzing one kind of input in this process, whose memory and time are bounded: python -m tests.fuzz networks.

Nothing stops at the first failure: each place where one came from is named once, with an example of it in --keep.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import importlib
import pickle
import re
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings

from jachess.errors import JachessError

SECONDS = 20
"""That one example may take."""
MEMORY = 5 << 29
"""Bytes that one may allocate."""
CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_AT_ONCE = 300
LONGEST = 20_000
"""Characters of a message."""


class TooLong(BaseException):
    """An example took too long; no reader of anything catches it."""


def main() -> int:
    """Fuzz, and say what was found; 1 if anything was."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("target", choices=["jobs", "networks", "points", "sources", "stores"])
    parser.add_argument("--examples", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=1e9, help="stop after so long, whatever is left")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="a folder for examples that fail")
    parser.add_argument("--again", type=Path, nargs="*", help="instead, examples from that folder")
    options = parser.parse_args()
    faulthandler.enable()
    signal.signal(signal.SIGALRM, _alarm)
    module = importlib.import_module(f"tests.fuzz.{options.target}")
    with tempfile.TemporaryDirectory() as folder:
        module.prepare(Path(folder) / "prepared")
        _bound_memory()
        fuzz = Fuzz(module, Path(folder), options.keep)
        if options.again:
            for file in options.again:
                fuzz.run(pickle.loads(file.read_bytes()))
        else:
            fuzz.many(options.examples, options.seconds, options.seed)
    print(f"{options.target}: {fuzz.n} examples, {fuzz.n_good} of them good, {len(fuzz.found)} failures")
    for text in fuzz.found.values():
        print(text)
    return bool(fuzz.found)


class Fuzz:
    """Runs examples and collects failures."""

    def __init__(self, module: ModuleType, folder: Path, keep: Path | None) -> None:
        self.module, self.folder, self.keep = module, folder, keep
        self.found: dict[str, str] = {}
        self.n = self.n_good = 0

    def many(self, n: int, seconds: float, number: int) -> None:
        """Examples one after the other, some hundreds with each seed."""
        end = time.monotonic() + seconds
        while self.n < n and time.monotonic() < end:
            self._some(min(n - self.n, _AT_ONCE), number, end)
            number += 1

    def _some(self, n: int, number: int, end: float) -> None:
        @seed(number)
        @settings(max_examples=n, deadline=None, database=None, phases=[Phase.generate],
                  suppress_health_check=list(HealthCheck))  # fmt: skip
        @given(self.module.examples())
        def each(example: Any) -> None:
            if time.monotonic() < end:
                self.run(example)

        each()

    def run(self, example: Any) -> None:
        """One example in a folder of its own."""
        folder = self.folder / "example"
        self._store("last", example)  # should the process die of it
        self.n += 1
        try:
            with _own_folder(folder), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                signal.alarm(SECONDS)
                faulthandler.dump_traceback_later(4 * SECONDS, exit=True)
                self.module.read(folder, example)
                self.n_good += 1
        except JachessError as error:
            problem = _flaw(error)
            if problem:
                self._failed(f"{problem} {_place(error)}", problem + "\n" + traceback.format_exc(), example)
        except (Exception, TooLong) as error:
            self._failed(f"{type(error).__name__} {_place(error)}", traceback.format_exc(), example)
        finally:
            signal.alarm(0)
            faulthandler.cancel_dump_traceback_later()

    def _failed(self, key: str, text: str, example: Any) -> None:
        if key not in self.found:
            self.found[key] = f"--- {key}\n{text[-3000:]}{repr(example)[:600]}\n"
            self._store(f"{self.module.__name__}-{len(self.found)}", example)

    def _store(self, name: str, example: Any) -> None:
        if self.keep:
            self.keep.mkdir(parents=True, exist_ok=True)
            (self.keep / name).write_bytes(pickle.dumps(example))


@contextlib.contextmanager
def _own_folder(folder: Path) -> Iterator[None]:
    folder.mkdir()
    try:
        yield
    finally:
        shutil.rmtree(folder)


def _flaw(error: BaseException) -> str:
    """What is wrong with an error of our own."""
    message, cause = str(error), error
    if not message or len(message) > LONGEST or CONTROL.search(message):
        return "no message for people"
    while cause := cause.__cause__ or cause.__context__:  # type: ignore[assignment]
        if isinstance(cause, MemoryError):
            return "memory"
    return ""


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    ours = [f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames if "jachess" in frame.filename]
    return ours[-1] if ours else "?"


def _alarm(number: int, frame: FrameType | None) -> None:
    raise TooLong


def _bound_memory() -> None:
    """Also what is reserved and never touched counts, as it does on a machine that has not so much."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


if __name__ == "__main__":
    sys.exit(main())
