"""Keys of one run's own, so that nobody else gives its cluster orders or reads what it sends."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from distributed import Security

from jachess.batch.clusters.file import ClusterFile
from jachess.errors import JobError


@contextmanager
def keys(file: ClusterFile) -> Iterator[dict[str, bool | str]]:
    """Settings of Dask by which only holders of a certificate made just now take part; none if TLS is not wanted.

    It lies in a folder that its owner alone can enter, and that is gone when the cluster is.

    Raises
    ------
    JobError
        If `cryptography` is not installed, or the folder cannot be made.
    """
    if not file.tls:
        yield {}
        return
    try:
        security = Security.temporary()
    except ImportError as error:
        raise JobError(
            f"{file.source}: 'tls' needs the package cryptography. Install it: pip install 'jachess[jobqueue]'."
        ) from error
    where = Path.home() if file.tls is True else Path(str(file.tls)).expanduser()
    try:
        folder = TemporaryDirectory(prefix=".jachess-keys-", dir=where)  # of mode 0700
    except OSError as error:
        raise JobError(
            f"{file.source}: no place for keys in {where} ({error.strerror}). Name another folder: tls: FOLDER."
        ) from error
    with folder as name:
        cert, key = Path(name) / "cert.pem", Path(name) / "key.pem"
        for path, text in ((cert, security.tls_ca_file), (key, security.tls_scheduler_key)):
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as target:
                target.write(text)
        tls = "distributed.comm.tls."
        holders = {f"{tls}{role}.{what}": str(path) for role in ("scheduler", "worker", "client")
                   for what, path in (("cert", cert), ("key", key))}  # fmt: skip
        alone: dict[str, bool | str] = {"distributed.comm.require-encryption": True}
        yield {**alone, "distributed.comm.default-scheme": "tls", f"{tls}ca-file": str(cert), **holders}
