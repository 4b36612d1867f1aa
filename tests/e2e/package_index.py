"""A package index on a loopback port, with wheels made on the spot."""

from __future__ import annotations

import hashlib
import io
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple


class Wheel(NamedTuple):
    """A wheel's file."""

    name: str
    version: str
    data: bytes

    @property
    def file(self) -> str:
        """Its file name."""
        return f"{self.name}-{self.version}-py3-none-any.whl"

    @property
    def digest(self) -> str:
        """The SHA-256 of its bytes."""
        return hashlib.sha256(self.data).hexdigest()

    @property
    def pin(self) -> str:
        """The line that pins it in a lock."""
        return f"{self.name}=={self.version} --hash=sha256:{self.digest}\n"


def make_wheel(name: str, version: str, *metadata: str, source: str = "") -> Wheel:
    """A wheel of one module, with further lines of metadata such as `Requires-Dist: other`."""
    info = f"{name}-{version}.dist-info"
    head = ("Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", *metadata, "")
    files = {
        f"{name}.py": source,
        f"{info}/METADATA": "\n".join(head),
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = f"{info}/RECORD"
    files[record] = "".join(f"{path},,\n" for path in (*files, record))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return Wheel(name, version, buffer.getvalue())


class PackageIndex:
    """Serves wheels as PEP 503 says, and remembers what was asked for."""

    def __init__(self, url: str) -> None:
        self.url = f"{url}/simple/"
        self.wheels: list[Wheel] = []
        self.asked: list[str] = []
        """The path of each request."""

    @property
    def downloaded(self) -> set[str]:
        """The files that were asked for."""
        return {path.rpartition("/")[2] for path in self.asked if path.endswith(".whl")}

    def answer(self, path: str) -> bytes | None:
        """The body at a path; None where there is nothing."""
        self.asked.append(path)
        place, _, file = path.strip("/").partition("/")
        if place == "files":
            return next((wheel.data for wheel in self.wheels if wheel.file == file), None)
        links = [
            f'<a href="/files/{wheel.file}#sha256={wheel.digest}">{wheel.file}</a>\n'
            for wheel in self.wheels
            if wheel.name.lower().replace("_", "-") == file
        ]
        return f"<!DOCTYPE html><html><body>{''.join(links)}</body></html>".encode()


@contextmanager
def package_index() -> Iterator[PackageIndex]:
    """An index with nothing in it yet."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = index.answer(self.path)
            html = "text/html" if self.path.endswith("/") else "application/octet-stream"
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Type", html)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    index = PackageIndex(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield index
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
