"""A web server of the test's own on this machine, which behaves as badly as it is told to."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from underhood.data import download


@dataclass
class Server:
    """`files` by path. Of each answer's bytes, the first `cuts.pop(0)` are sent, then the connection is closed."""

    files: dict[str, bytes] = field(default_factory=dict)
    ranges: bool = True
    lengths: bool = True
    cuts: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)  # answered in turn before anything else
    shift: int = 0  # added to where a range begins
    url: str = ""
    asked: list[tuple[str, str | None]] = field(default_factory=list)  # path, Range

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        wanted = request.headers.get("Range")
        self.asked.append((request.path, wanted))
        if self.statuses:
            return request.send_error(self.statuses.pop(0))
        if request.path not in self.files:
            return request.send_error(404)
        body = self.files[request.path]
        begin = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and self.ranges else 0
        if begin >= len(body) and begin:
            request.send_response(416)
            request.send_header("Content-Range", f"bytes */{len(body)}")
            request.send_header("Content-Length", "0")
            return request.end_headers()
        request.send_response(206 if begin else 200)
        if begin:
            begin += self.shift
            request.send_header("Content-Range", f"bytes {begin}-{len(body) - 1}/{len(body)}")
        if self.lengths:
            request.send_header("Content-Length", str(len(body) - begin))
        request.end_headers()
        sent = body[begin:]
        request.wfile.write(sent[: self.cuts.pop(0)] if self.cuts else sent)
        return None


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server at `server.url`, asked without a pause and without a proxy."""
    monkeypatch.setattr(download, "PAUSES", (0.0, 0.0, 0.0))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    running = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            running.answer(self)

        def log_message(self, *arguments: object) -> None:
            pass

    class Web(ThreadingHTTPServer):
        def handle_error(self, request: object, address: object) -> None:
            """A client that has seen enough is none of the tests' business."""

    with Web(("127.0.0.1", 0), Handler) as web:
        thread = threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        running.url = f"http://127.0.0.1:{web.server_port}"
        try:
            yield running
        finally:
            web.shutdown()
            thread.join()
