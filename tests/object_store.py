"""An S3-compatible server on loopback for the tests, and a proxy before it that makes its answers fail on purpose."""

from __future__ import annotations

import http.client
import random
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SERVER = """
import logging, sys
from moto.server import ThreadedMotoServer
logging.getLogger("werkzeug").setLevel(logging.ERROR)
server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
"""


@dataclass
class Faults:
    """Which share of the requests fails, and how many have, of each kind."""

    share: float = 0.0
    kinds: tuple[str, ...] = ("500", "503", "503 after", "reset", "reset after", "cut", "slow")
    random: random.Random = field(default_factory=lambda: random.Random(0))
    counts: Counter[str] = field(default_factory=Counter)
    requests: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def failing(self, share: float, *kinds: str) -> Iterator[None]:
        """As long as the context lasts, a share of the requests fails, in these ways or in all."""
        before = self.share, self.kinds
        self.share, self.kinds = share, kinds or self.kinds
        try:
            yield
        finally:
            self.share, self.kinds = before

    def next(self, method: str) -> str:
        """What goes wrong with the next request, if anything does."""
        with self.lock:
            self.requests[method] += 1
            kind = self.random.choice(self.kinds) if self.random.random() < self.share else ""
            self.counts[kind] += 1
        return kind


@dataclass(frozen=True)
class ObjectStore:
    """A server with one bucket, and what the environment must say to reach it through the proxy."""

    port: int
    proxy: int
    faults: Faults

    @property
    def environment(self) -> dict[str, str]:
        """For obstore."""
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.proxy}",
            "AWS_ALLOW_HTTP": "true",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "nobody",
            "AWS_SECRET_ACCESS_KEY": "nothing",
            "AWS_TIMEOUT": "5s",
        }


@contextmanager
def object_store() -> Iterator[ObjectStore]:
    """Server and proxy, as long as the context lasts."""
    with subprocess.Popen([sys.executable, "-c", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        port, faults = int(server.stdout.readline()), Faults()
        urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{port}/bucket", method="PUT")).close()
        with ThreadingHTTPServer(("127.0.0.1", 0), handler(port, faults)) as proxy:
            proxy.daemon_threads = True
            threading.Thread(target=proxy.serve_forever, args=(0.05,), daemon=True).start()
            try:
                yield ObjectStore(port, proxy.server_port, faults)
            finally:
                proxy.shutdown()
                server.kill()


def handler(port: int, faults: Faults) -> type[BaseHTTPRequestHandler]:
    """Hands each request on, or lets it fail."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            fault = faults.next(self.command)
            if fault == "slow":
                time.sleep(0.3)
            if fault == "reset":
                return self.reset()
            if fault in ("500", "503"):
                return self.reply(int(fault), {}, b"<Error/>")
            status, headers, content = self.forward(body)
            if fault == "reset after":
                return self.reset()
            if fault == "503 after":
                return self.reply(503, {}, b"<Error/>")
            return self.reply(status, headers, content, cut=fault == "cut")

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = answer

        def forward(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            try:
                connection.request(self.command, self.path, body, dict(self.headers))
                answer = connection.getresponse()
                return answer.status, dict(answer.getheaders()), answer.read()
            finally:
                connection.close()

        def reply(self, status: int, headers: dict[str, str], content: bytes, cut: bool = False) -> None:
            self.send_response_only(status)
            length = headers.get("Content-Length", "0") if self.command == "HEAD" else str(len(content))
            kept = {k: v for k, v in headers.items() if k.lower() not in ("content-length", "connection", "server")}
            for name, value in {**kept, "Content-Length": length}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content[: len(content) // 2] if cut else content)
            if cut:
                self.reset()

        def reset(self) -> None:
            """Close so that the other side sees a reset connection."""
            self.wfile.flush()
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            self.close_connection = True

        def handle(self) -> None:
            try:
                super().handle()
            except (ConnectionError, ValueError):  # the client, or a test, is gone
                self.close_connection = True

        def finish(self) -> None:
            with suppress(OSError, ValueError):
                super().finish()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler
