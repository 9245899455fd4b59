"""A real HTTP server that receives webhooks, answers as it is told to and keeps what it got."""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec

Answer = tuple[int, dict[str, str]]  #: status and headers
OK: Answer = (200, {})
HANG: Answer = (0, {})  #: no answer until the test is over


@dataclass(frozen=True)
class Received:
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)


@dataclass
class Receiver:
    """What came in, and what to answer next on a path; where nothing is said, 200."""

    url: str = ""
    got: list[Received] = field(default_factory=list)
    taken: list[Received] = field(default_factory=list)  #: those that were answered with 2xx
    answers: defaultdict[str, deque[Answer]] = field(default_factory=lambda: defaultdict(deque))
    let_go: threading.Event = field(default_factory=threading.Event)

    def at(self, path: str) -> list[Received]:
        """Everything that came in on a path."""
        return [one for one in self.got if one.path == path]

    def types(self, path: str = "/") -> list[str]:
        """The types of the events that came in on a path."""
        return [str(one.json["type"]) for one in self.at(path)]


def _handler(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"] or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            received = Received(self.path, headers, body)
            receiver.got.append(received)
            waiting = receiver.answers[self.path]
            status, extra = waiting.popleft() if waiting else OK
            if status == 0:
                receiver.let_go.wait(30)
                return
            self.send_response(status)
            for name, value in extra.items():
                self.send_header(name, value)
            self.send_header("content-length", "0")
            self.end_headers()
            if 200 <= status < 300:
                receiver.taken.append(received)

        def do_GET(self) -> None:
            self.do_POST()  # where a client would turn up that followed a redirect

        def log_message(self, *_: object) -> None:
            pass

    return Handler


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver on a free port of this machine."""
    receiver = Receiver()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(receiver))
    server.daemon_threads = True
    receiver.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.let_go.set()
        server.shutdown()
        server.server_close()
        thread.join(timeout=10)
