"""Answers: values of the domain as bytes, straight out.

Knows: JSON by msgspec, headers that every answer of a kind has, the shapes OpenAPI shows.
Must not know: what is answered.  Nothing is validated a second time on its way out.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AsyncExitStack, aclosing
from typing import Any, Final, TypeVar

import msgspec
from fastapi import Request, Response
from fastapi.responses import StreamingResponse

from api.problems import Fault, Refusal, invalid

BODY_LIMIT: Final = 256 * 1024  #: bytes of a request body; 100 ids of 256 bytes fit, however escaped

T = TypeVar("T")
encode: Final = msgspec.json.Encoder().encode
_PRIVATE: Final = {"Cache-Control": "private, no-store", "X-Content-Type-Options": "nosniff"}


def ok(value: object, headers: Mapping[str, str] | None = None) -> Response:
    """200 with the value as JSON; nobody may keep it, unless ``headers`` says otherwise."""
    return Response(encode(value), 200, {**_PRIVATE, **(headers or {})}, "application/json")


def unchanged(headers: Mapping[str, str]) -> Response:
    """304: what the caller has is still right."""
    return Response(None, 304, dict(headers))


def matches(given: str | None, etag: str) -> bool:
    """Whether an If-None-Match names this tag; weak and strong ones compare alike (RFC 9110 §13.1.2).

    >>> matches('"7-1", W/"8-1"', 'W/"8-1"'), matches("*", '"8-1"'), matches(None, '"8-1"')
    (True, True, False)
    """
    if not given:
        return False
    if given.strip() == "*":
        return True
    return etag.removeprefix("W/") in (one.strip().removeprefix("W/") for one in given.split(","))


async def body_of(request: Request, decode: Callable[[bytes], T]) -> T:
    """The request's JSON body, read and checked in one go.

    Raises:
        Refusal: 413 too large, 400 no JSON, 422 JSON of another shape.
    """
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > BODY_LIMIT:
            raise Refusal(413, "body_too_large", f"a body may have {BODY_LIMIT} bytes")
    try:
        return decode(bytes(raw))
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at `$")
        raise invalid([Fault("body" + where.rstrip("`"), what)]) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refusal(400, "invalid_json", f"the body is no JSON: {error}") from None


class EventStream(StreamingResponse):
    """Server-sent events.  However and whenever it ends, ``held`` is let go and the generator closed at once."""

    media_type = "text/event-stream"

    def __init__(self, frames: AsyncGenerator[bytes, None], held: AsyncExitStack) -> None:
        super().__init__(frames, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        self._frames = frames
        self._held = held

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Send until there is no more or nobody listens."""
        async with self._held, aclosing(self._frames):
            await super().__call__(scope, receive, send)
