"""Live streams over HTTP.

Knows: paths, headers, how a stream is paid for (one gauge) and how it ends.  Must not know: what is told.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Header, Request, Response

from api.frame import STREAM
from api.house import house_of
from api.keys import given_key, needs
from api.live.channel import HELLO, PING, Channel
from api.metrics import SSE_CLIENTS
from api.openapi import Json, refuses
from api.respond import EventStream
from api.routes.profiles import ProfileId, profile_id
from profiles.access import Scope
from profiles.store.reach import away

_EVENTS: Final[dict[int | str, Json]] = {
    200: {"description": "Server-sent events.", "content": {"text/event-stream": {"schema": {"type": "string"}}}}
}
profiles = APIRouter(tags=["live"], dependencies=[Depends(needs("read"))], responses=refuses(401, 403, 422, 503))
alerts = APIRouter(tags=["live"], dependencies=[Depends(needs("alerts"))], responses=refuses(401, 403, 422, 503))

LastEventId = Annotated[str | None, Header(max_length=64, description="Where to go on: the `id` seen last.")]


@profiles.get(
    "/v1/stream/profiles/{profile}",
    summary="One customer, live",
    status_code=200,
    response_class=EventStream,
    responses=_EVENTS | refuses(400),
)
async def stream_profile(request: Request, profile: ProfileId, last_event_id: LastEventId = None) -> Response:
    """`profile`: the whole profile, at once and after every change; `transition`: a tag or rung entered or left.

    A client that returns with its last id is told what it missed; `reset` says that not all of that is still kept.
    """
    name = profile_id(profile)
    house = house_of(request)
    await house.reader()  # a stream that could say nothing is a 503
    return await _stream(request, "read", "profile", house.profile_streams.follow(name, last_event_id))


@alerts.get(
    "/v1/stream/alerts", summary="The alert desk, live", status_code=200, response_class=EventStream, responses=_EVENTS
)
async def stream_alerts(request: Request, last_event_id: LastEventId = None) -> Response:
    """`alert`: one was raised, acknowledged or resolved (`type` says which); from now on, or after the last id.

    `0-0` asks for everything that is kept; `reset` says that some of what came after the id is not.
    """
    return await _stream(request, "alerts", "alerts", house_of(request).alert_streams.follow(last_event_id))


async def _stream(
    request: Request, scope: Scope, what: str, following: AbstractAsyncContextManager[Channel]
) -> EventStream:
    """The channel opens before the first byte leaves, so a fault is still an answer."""
    held = AsyncExitStack()
    channel = await held.enter_async_context(following)
    held.enter_context(SSE_CLIENTS.labels(what).track_inprogress())
    request.scope[STREAM] = True
    return EventStream(_frames(request, scope, channel), held)


async def _frames(request: Request, scope: Scope, channel: Channel) -> AsyncGenerator[bytes, None]:
    yield HELLO
    async for said in channel.frames():
        if said is PING and not await _still_allowed(request, scope):
            return
        yield said


async def _still_allowed(request: Request, scope: Scope) -> bool:
    """A stream may be older than its key's revocation; a store that is away is no reason to end it."""
    try:
        key = await house_of(request).keys.find(given_key(request) or "")
    except Exception as error:
        if away(error):
            return True
        raise
    return key is not None and key.allows(scope)
