"""Reading customers: one, many, what happened to them.

Knows: paths, parameters, what an answer looks like.  Must not know: how a profile is stored or derived.
"""

from __future__ import annotations

from typing import Annotated, Final
from urllib.parse import unquote

import msgspec
from fastapi import APIRouter, Depends, Path, Query, Request, Response

from api.house import house_of
from api.keys import needs
from api.openapi import refuses, shows, takes
from api.problems import Refusal, unknown
from api.respond import body_of, matches, ok, unchanged
from api.shapes import BatchGet, Profiles, Timeline
from profiles.clock import MINUTE
from profiles.identity.claims import ID_LIMIT
from profiles.reader import Found, Reader
from profiles.store.base import TIMELINE_KEPT
from profiles.view import ProfileView

router = APIRouter(tags=["profiles"], dependencies=[Depends(needs("read"))], responses=refuses(401, 403, 422, 503))
ONE: Final = "/v1/profiles/{profile}"
_decode_batch: Final = msgspec.json.Decoder(BatchGet).decode

ProfileId = Annotated[
    str, Path(description=f"The customer's id, percent-encoded; any printable text of 1 to {ID_LIMIT} bytes.")
]
Limit = Annotated[int, Query(ge=1, le=TIMELINE_KEPT, description="How many entries at most.")]


@router.get(
    ONE,
    summary="One customer, whole",
    responses=shows(ProfileView, "The profile as it is now.")
    | refuses(400, 404)
    | {304: {"description": "Unchanged."}},
)
async def profile(request: Request, profile: ProfileId) -> Response:
    """Identity, tags with reasons, features, value, lifecycle, risk.

    The ETag changes with every decision about the customer, with the rules, and each minute, because some features
    move by themselves.
    """
    reader, found = await customer(request, profile)
    etag = etag_of(found)
    headers = {"ETag": etag, "Cache-Control": "private, no-cache"}
    if matches(request.headers.get("if-none-match"), etag):
        return unchanged(headers)
    return ok(await reader.view(found), headers)


@router.post(
    "/v1/profiles:batchGet",
    summary="Up to 100 customers at once",
    responses=shows(Profiles, "Those found, in the order asked.") | refuses(400, 413),
    openapi_extra=takes(BatchGet),
)
async def batch_get(request: Request) -> Response:
    """Profiles by id; ids that nobody has are listed as missing."""
    ids = (await body_of(request, _decode_batch)).ids
    found = await (await house_of(request).reader()).profiles(ids)
    views = tuple(view for view in found if view is not None)
    return ok(Profiles(views, tuple(one for one, view in zip(ids, found, strict=True) if view is None)))


@router.get(
    "/v1/profiles/{profile}/timeline",
    summary="What happened to a customer",
    responses=shows(Timeline, "Newest first.") | refuses(400, 404),
)
async def timeline(request: Request, profile: ProfileId, limit: Limit = TIMELINE_KEPT) -> Response:
    """Orders, refunds, reviews, contacts with service, and every tag entered or left with its reasons.

    Of a customer with several ids, what happened to each of them: what another id than `profile` keeps says so in `through`.
    """
    reader, found = await customer(request, profile)
    return ok(Timeline(found.profile, await reader.whole_timeline(found, limit)))


async def customer(request: Request, segment: str) -> tuple[Reader, Found]:
    """The customer whose id stands in a path, and who reads them.

    Raises:
        Refusal: 400, no customer can have this id; 404, nobody has it.
    """
    name = profile_id(segment)
    reader = await house_of(request).reader()
    found = await reader.find(name)
    if found is None:
        raise unknown("unknown_profile", "profile", name)
    return reader, found


def profile_id(segment: str) -> str:
    """The id in a path.

    Raises:
        Refusal: 400, no customer can have this id.
    """
    name = unquote(segment)
    if why := unfit(name):
        raise Refusal(400, "bad_id", why)
    return name


def unfit(name: str) -> str:
    r"""Why no customer can have this id; empty if one can.

    >>> unfit("张三/7"), unfit("a\nb")
    ('', 'an id has no control characters')
    """
    if not name.isprintable():
        return "an id has no control characters"
    return f"an id has at most {ID_LIMIT} bytes" if len(name.encode()) > ID_LIMIT else ""


def etag_of(found: Found) -> str:
    """Weak: two answers with the same tag mean the same, though their ``read_at`` differs."""
    ids = "" if found.node is None else f"-{found.node.card.weight}.{len(found.node.refused)}"
    return f'W/"{found.version}-{found.rules}-{found.cuts}-{found.now // MINUTE}{ids}"'
