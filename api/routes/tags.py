"""Tags and features: what there is to know about anybody, and who holds what.

Knows: paths, parameters.  Must not know: how rules are written or compiled.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from api.house import house_of
from api.keys import needs
from api.openapi import refuses, shows
from api.paging import bad_cursor, next_link, opened, sealed
from api.problems import unknown
from api.respond import ok
from api.shapes import Features, Members
from profiles.dictionary import TagDictionary, feature_lines
from profiles.reader import UnknownTag

router = APIRouter(tags=["dictionary"], dependencies=[Depends(needs("read"))], responses=refuses(401, 403, 422, 503))


@router.get(
    "/v1/tags",
    summary="Every tag and ladder, with how many customers are there",
    responses=shows(TagDictionary, "The live rules."),
)
async def tags(request: Request) -> Response:
    """Names and labels in both languages, the conditions, the owner, the suggested action, live counts."""
    return ok(await (await house_of(request).reader()).tags())


@router.get(
    "/v1/tags/{tag}/members",
    summary="Who holds a tag",
    responses=shows(Members, "A page of customers.") | refuses(400, 404),
)
async def members(
    request: Request,
    tag: Annotated[str, Path(max_length=200)],
    cursor: Annotated[str | None, Query(max_length=64, description="`next_cursor` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=1000, description="About how many.")] = 100,
) -> Response:
    """A walk through all holders: whoever holds the tag from its first page to its last is in it at least once."""
    reader = await house_of(request).reader()
    try:
        found, place = await reader.members(tag, opened(cursor), limit)
    except UnknownTag:
        raise unknown("unknown_tag", "tag", tag) from None
    except ValueError:
        raise bad_cursor() from None
    more = sealed(place)
    return ok(Members(tag, found, more is not None, more), next_link(request, more, limit=limit))


@router.get(
    "/v1/features",
    summary="The data dictionary",
    responses=shows(Features, "Every feature."),
)
async def features() -> Response:
    """Name, Chinese name, unit, meaning, and how a feature moves while the customer does nothing."""
    return ok(Features(feature_lines()))
