"""Servers on loopback that answer as Google's and Azure's object stores do, as far as a run asks them."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import ClassVar
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

PAGE = 100
"""Objects of one page of a list: few, so that lists have several."""


@dataclass(frozen=True)
class Kept:
    """An object, and which of all that were written it is."""

    content: bytes
    number: int


class Cloud(BaseHTTPRequestHandler):
    """What the two have in common: objects by name, written under conditions, read in ranges, listed in pages."""

    protocol_version = "HTTP/1.1"
    objects: ClassVar[dict[str, Kept]]
    numbers: ClassVar[Iterator[int]]
    lock: ClassVar[threading.Lock]
    bucket: ClassVar[str]
    """The path below which the objects lie."""
    exists, created, deleted = 412, 200, 204
    """Answers to a PUT of what must not exist yet, to a PUT, and to a DELETE."""

    def condition(self) -> str | None:
        """ "new", the number that the object must have, or None."""
        raise NotImplementedError

    def page(self, asked: Mapping[str, str], names: list[str], folders: list[str], after: str) -> str:
        """A page of a list, as XML."""
        raise NotImplementedError

    def do_PUT(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with self.lock:
            before, condition = self.objects.get(self.key), self.condition()
            if condition == "new" and before is not None:
                return self.reply(self.exists)
            if condition not in (None, "new", str(before.number) if before else ""):
                return self.reply(412)
            self.objects[self.key] = Kept(content, next(self.numbers))
            return self.reply(self.created, self.objects[self.key])

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if parts.path.rstrip("/") == self.bucket:
            return self.listed({name: values[0] for name, values in parse_qs(parts.query).items()})
        kept = self.objects.get(self.key)
        if kept is None:
            return self.reply(404)
        if not (wanted := self.headers.get("Range")):
            return self.reply(200, kept, kept.content)
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        start = int(first) if first else len(kept.content) - int(last)
        stop = min(int(last) + 1 if first and last else len(kept.content), len(kept.content))
        self.within = f"bytes {start}-{stop - 1}/{len(kept.content)}"
        return self.reply(206, kept, kept.content[start:stop])

    do_HEAD = do_GET

    def do_DELETE(self) -> None:
        with self.lock:
            self.reply(self.deleted if self.objects.pop(self.key, None) else 404)

    @property
    def key(self) -> str:
        return unquote(urlsplit(self.path).path)[len(self.bucket) + 1 :]

    def listed(self, asked: Mapping[str, str]) -> None:
        prefix, delimiter = asked.get("prefix", ""), asked.get("delimiter", "")
        after = max(asked.get(name, "") for name in ("start-after", "continuation-token", "marker"))
        found = sorted(name for name in self.objects if name.startswith(prefix) and name > after)
        cut = [name[: name.find(delimiter, len(prefix)) + 1] if delimiter else "" for name in found]
        names = [name for name, folder in zip(found, cut, strict=True) if not folder]
        more = names[PAGE - 1] if len(names) > PAGE else ""
        text = self.page(asked, names[:PAGE], [] if more else sorted(set(cut) - {""}), more)
        self.reply(200, content=text.encode())

    def reply(self, status: int, kept: Kept | None = None, content: bytes = b"", form: str = "") -> None:
        self.send_response(status)
        if form:
            self.send_header("Content-Type", form)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Last-Modified", formatdate(usegmt=True))
        if kept is not None:
            self.send_header("ETag", f'"{kept.number}"')
            self.send_header("x-goog-generation", str(kept.number))
        if status == 206:
            self.send_header("Content-Range", self.within)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Google(Cloud):
    """The XML interface of Google Cloud Storage."""

    bucket = "/bucket"

    def condition(self) -> str | None:
        generation = self.headers.get("x-goog-if-generation-match")
        return "new" if generation == "0" else generation

    def page(self, asked: Mapping[str, str], names: list[str], folders: list[str], after: str) -> str:
        contents = "".join(
            f"<Contents><Key>{escape(name)}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
            f"<ETag>&quot;{self.objects[name].number}&quot;</ETag><Size>{len(self.objects[name].content)}</Size></Contents>"
            for name in names
        )
        prefixes = "".join(f"<CommonPrefixes><Prefix>{escape(name)}</Prefix></CommonPrefixes>" for name in folders)
        token = f"<NextContinuationToken>{escape(after)}</NextContinuationToken>" if after else ""
        return f"<ListBucketResult>{contents}{prefixes}{token}</ListBucketResult>"


class Azure(Cloud):
    """Azure's Blob Storage, as its emulator has it."""

    bucket = "/devstoreaccount1/bucket"
    exists, created, deleted = 409, 201, 202

    def condition(self) -> str | None:
        if self.headers.get("If-None-Match") == "*":
            return "new"
        match = self.headers.get("If-Match")
        return match.strip('"') if match else None

    def do_POST(self) -> None:
        """Several DELETEs in one request, answered one by one."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        answers = list[str]()
        for number, path in enumerate(re.findall(r"^DELETE (\S+) HTTP", body, re.MULTILINE)):
            key = unquote(urlsplit(path).path).split("/bucket/", 1)[1]
            with self.lock:
                status = "202 Accepted" if self.objects.pop(key, None) else "404 The specified blob does not exist."
            answers += [
                "--answers",
                "Content-Type: application/http",
                f"Content-ID: {number}",
                "",
                f"HTTP/1.1 {status}",
            ]
            answers += ["", ""] if status.startswith("202") else ["x-ms-error-code: BlobNotFound", "", ""]
        content = "\r\n".join([*answers, "--answers--", ""]).encode()
        self.reply(202, content=content, form="multipart/mixed; boundary=answers")

    def page(self, asked: Mapping[str, str], names: list[str], folders: list[str], after: str) -> str:
        blobs = "".join(
            f"<Blob><Name>{escape(name)}</Name><Properties><Last-Modified>{formatdate(usegmt=True)}</Last-Modified>"
            f"<Etag>{self.objects[name].number}</Etag><Content-Length>{len(self.objects[name].content)}</Content-Length>"
            "<Content-Type>application/octet-stream</Content-Type></Properties></Blob>"
            for name in names
        )
        prefixes = "".join(f"<BlobPrefix><Name>{escape(name)}</Name></BlobPrefix>" for name in folders)
        prefix = f"<Prefix>{escape(asked['prefix'])}</Prefix>" if asked.get("prefix") else ""
        return (
            f"<EnumerationResults>{prefix}<Blobs>{blobs}{prefixes}</Blobs>"
            f"<NextMarker>{escape(after)}</NextMarker></EnumerationResults>"
        )


@contextmanager
def other_cloud(kind: type[Cloud], folder: Path) -> Iterator[dict[str, str]]:
    """A server of that kind, as long as the context lasts: what the environment must say to reach it."""
    state = {"objects": {}, "numbers": count(1), "lock": threading.Lock()}
    with ThreadingHTTPServer(("127.0.0.1", 0), type(kind.__name__, (kind,), state)) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        url, account = f"http://127.0.0.1:{server.server_port}", folder / "account.json"
        named = {
            "gcs_base_url": url,
            "disable_oauth": True,
            "client_email": "",
            "private_key": "",
            "private_key_id": "",
        }
        account.write_text(json.dumps(named))
        try:
            yield {
                "GOOGLE_SERVICE_ACCOUNT": str(account),
                "AZURE_STORAGE_USE_EMULATOR": "true",
                "AZURITE_BLOB_STORAGE_URL": url,
                "AWS_ALLOW_HTTP": "true",
            }
        finally:
            server.shutdown()
