"""Around every request: its id, its path, its time, and an answer whatever happens.

Knows: ASGI.  Must not know: routes, keys, profiles.
Plain ASGI on purpose: it costs microseconds, and streams pass through it untouched.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, MutableMapping
from secrets import token_hex
from time import perf_counter
from traceback import format_exception
from typing import Any, Final
from urllib.parse import unquote

import structlog

from api.metrics import DURATION
from api.problems import REQUEST_ID, answer, broken, not_ready, store_away
from profiles.errors import MienError
from profiles.store.reach import away

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

STREAM: Final = "mien.stream"  #: set in the scope of a request that is answered with a stream
_GIVEN_ID: Final = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_KNOWN_METHODS: Final = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})
log = structlog.get_logger("mien")


class Frame:
    """The outermost layer of the app."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = perf_counter(), 0
        request_id = _request_id(scope)
        scope[REQUEST_ID] = request_id.decode()
        scope["path"] = ids_kept_whole(scope["raw_path"])

        async def sent(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", request_id)]
            await send(message)

        try:
            await self._app(scope, receive, sent)
        except Exception as error:
            if status:
                raise  # half an answer is out: only the server can end it, by closing the connection
            await _failed(scope, error)(scope, receive, sent)
        finally:
            if STREAM not in scope:
                labels = _route(scope), _method(scope), f"{status // 100}xx"
                DURATION.labels(*labels).observe(perf_counter() - started)


def ids_kept_whole(raw_path: bytes) -> str:
    """A path in which only ``/`` and ``%`` inside a segment are still encoded, so that an id may hold a slash.

    >>> ids_kept_whole(b"/v1/profiles/a%2Fb%20%E5%BC%A0/timeline")
    '/v1/profiles/a%2Fb 张/timeline'
    """
    path = raw_path.split(b"?", 1)[0].decode("latin-1")
    if "%" not in path:
        return path
    return "/".join(unquote(part).replace("%", "%25").replace("/", "%2F") for part in path.split("/"))


def _request_id(scope: Scope) -> bytes:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _GIVEN_ID.fullmatch(value):
            return bytes(value)
    return token_hex(8).encode()


def _failed(scope: Scope, error: Exception) -> App:
    where = {"route": _route(scope), "request_id": scope[REQUEST_ID]}
    if away(error):
        log.warning("store away", error=str(error)[:200], **where)
        return answer(scope, store_away())
    if isinstance(error, MienError):
        log.warning("not ready", error=str(error), **where)
        return answer(scope, not_ready(str(error)))
    log.error("fault", exception="".join(format_exception(error)), **where)  # without locals: those hold customers
    return answer(scope, broken())


def _route(scope: Scope) -> str:
    """The template of the route, never the path: that may name a person."""
    return str(getattr(scope.get("route"), "path", "none"))


def _method(scope: Scope) -> str:
    return scope["method"] if scope["method"] in _KNOWN_METHODS else "other"
