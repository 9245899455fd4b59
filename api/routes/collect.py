"""Where SDKs send events: each finds the paths and the answers that it knows.

Knows: paths, answers, CORS.  Must not know: what becomes of a request (``api.door``, ``api.collector``).
Bodies are read raw: SDKs compress without saying so and name content types that are not theirs.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute

from api.door import Read, take
from api.openapi import Json, refuses
from api.problems import Refusal, answer
from profiles.dialects import cloudevents, posthog, segment, sensors

router = APIRouter(tags=["collect"], responses=refuses(400, 401, 403, 413, 429, 503))

CALLS: Final = ("track", "identify", "page", "screen", "group", "alias")
#: any page may send: a write key opens nothing but sending, and is public in every browser that has one
CORS: Final = {"Access-Control-Allow-Origin": "*", "Cache-Control": "no-store"}
PREFLIGHT: Final = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET, POST",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, Content-Encoding, X-Write-Key, X-Api-Key, *",
    "Access-Control-Max-Age": "86400",
}
PIXEL: Final = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"
_ANY: Final[Json] = {"type": "object"}

Route = Callable[[Request], Awaitable[Response]]


def _route(dialect: str, read: Read, said: bytes = b'{"success":true}', call: str = "") -> Route:
    """A handler: take what comes, answer what this dialect's SDKs understand as success."""

    async def handler(request: Request) -> Response:
        named = call or str(request.path_params.get("call", ""))
        try:
            await take(request, dialect, read, named)
        except Refusal as refusal:
            refusal.headers = {**CORS, "Access-Control-Expose-Headers": "Retry-After", **refusal.headers}
            return answer(request.scope, refusal)
        return Response(said, 200, CORS, "application/json")

    return handler


async def _preflight(_request: Request) -> Response:
    """What a browser asks before it sends."""
    return Response(None, 204, PREFLIGHT)


async def _pixel(request: Request) -> Response:
    """Events that a browser sends as the address of an image."""
    told = await _sensors(request)
    return Response(PIXEL, 200, CORS, "image/gif") if told.status_code == 200 else told


def _takes(schema: Json, media_type: str = "application/json") -> Json:
    return {"requestBody": {"required": True, "content": {media_type: {"schema": schema}}}}


def _serve(paths: Sequence[str], handler: Route, summary: str, description: str, schema: Json, media: str) -> None:
    """One documented path, its other spellings, and what browsers ask first."""
    for number, path in enumerate(paths):
        extra: dict[str, Any] = {"include_in_schema": False} if number else {}
        router.add_api_route(
            path,
            handler,
            methods=["POST"],
            summary=summary,
            description=description,
            openapi_extra=_takes(schema, media),
            responses={
                200: {"description": "All of it is in Kafka.", "content": {"application/json": {"schema": _ANY}}}
            },
            **extra,
        )
        router.add_api_route(path, _preflight, methods=["OPTIONS"], include_in_schema=False)


_JSON: Final = "application/json"
_BATCH: Final[Json] = {
    "type": "object",
    "required": ["batch"],
    "properties": {
        "batch": {"type": "array", "items": _ANY},
        "sentAt": {"type": "string"},
        "writeKey": {"type": "string"},
    },
}
_SHORT: Final = {"track": "t", "identify": "i", "page": "p", "screen": "s", "group": "g", "alias": "a"}
_sensors: Final = _route("sensors", sensors.read)

_serve(
    ["/v1/batch", "/v1/batch/", "/v1/b", "/beacon/v1/batch"],
    _route("segment", segment.batch),
    "Events, as Segment and RudderStack send them",
    "Answered when Kafka has all of them; what cannot be used is a dead letter, never a refused batch.",
    _BATCH,
    _JSON,
)
_serve(
    ["/v1/import"],
    _route("segment", segment.imported),
    "History, as Segment takes it",
    "As a batch, but times are believed: no clock is corrected by `sentAt`.",
    _BATCH,
    _JSON,
)
for _call in CALLS:
    _serve(
        [f"/v1/{_call}", f"/v1/{_call}/", f"/v1/{_SHORT[_call]}"],
        _route("segment", segment.single, call=_call),
        f"One {_call} call",
        "One event, as Segment's and RudderStack's browser SDKs send them.",
        _ANY,
        _JSON,
    )
_serve(
    ["/batch/", "/batch", "/capture/", "/e/", "/i/v0/e/"],
    _route("posthog", posthog.read, b'{"status":1}'),
    "Events, as PostHog sends them",
    "The key is `api_key` in the body.",
    _ANY,
    _JSON,
)
_serve(
    ["/sa"],
    _sensors,
    "Events, as 神策 Sensors Analytics sends them",
    "A form with `data` or `data_list`: base64 of JSON, gzipped or not. The key is `token` in the query.",
    {"type": "object", "properties": {"data": {"type": "string"}, "data_list": {"type": "string"}}},
    "application/x-www-form-urlencoded",
)
router.add_api_route("/sa", _pixel, methods=["GET"], include_in_schema=False)
_serve(
    ["/api/s/s2s/{call}", "/api/s/{call}"],
    _route("jitsu", segment.single, b'{"ok":true}'),
    "One event, as Jitsu sends it",
    "The key stands in `X-Write-Key`.",
    _ANY,
    _JSON,
)
_serve(
    ["/v1/cloudevents"],
    _route("cloudevents", cloudevents.read),
    "CloudEvents 1.0",
    "Binary, structured or a batch. `data` is an event as Segment shapes it, or the properties of one: then `type` is its "
    "name and `subject` its customer.",
    _ANY,
    "application/cloudevents+json",
)

POSTS: Final = {
    route.path: route
    for route in router.routes
    if isinstance(route, APIRoute) and "POST" in (route.methods or ()) and "{" not in route.path
}
"""Paths that need no router to be found."""
