"""Where events come from, and what they are worth: complete, valid, repeated, fresh.

Knows: paths, parameters, what an answer looks like.  Must not know: how anything is counted.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Query, Request, Response

from api.house import House, house_of
from api.keys import needs
from api.openapi import refuses, shows
from api.respond import ok
from api.shapes import Qualities, SourceLine, Sources
from profiles.imports import by_day
from profiles.store.client import reaching
from profiles.worth import KEPT_DAYS, SourceQuality, merged, sources_of

router = APIRouter(tags=["sources"], dependencies=[Depends(needs("read"))], responses=refuses(401, 403, 422, 503))


@router.get("/v1/sources", summary="Where events come from", responses=shows(Sources, "Sources, the latest first."))
async def sources(request: Request) -> Response:
    """Topics, write keys that events came by, and imported files, with what was taken and refused in the last 30 days."""
    found = await _found(house_of(request), KEPT_DAYS)
    lines = (
        SourceLine(each.source, each.kind, each.topic, each.key, each.key_name, each.totals, each.last_seen)
        for each in found
    )
    return ok(Sources(tuple(lines)))


@router.get("/v1/sources/quality", summary="What events are worth", responses=shows(Qualities, "Counts and shares."))
async def quality(
    request: Request,
    days: Annotated[int, Query(ge=1, le=KEPT_DAYS, description="so many days of the shop, today included")] = 7,
    source: Annotated[str | None, Query(max_length=400, description="only this one, as /v1/sources names it")] = None,
) -> Response:
    """Per source: how complete fields are, what was refused or mended and why, repeats, how soon events come, and each day.

    What was refused is counted of all events; whether a field is there, of a source's first 200 and then of one in 64:
    `looked_at`. Repeats are those among the latest 20,000 messages of a partition. Sources of the kind `import` are the rows
    of files, by the day on which their import began: all of them are looked at.
    """
    found = await _found(house_of(request), days)
    return ok(Qualities(days, tuple(each for each in found if source in (None, each.source))))


async def _found(house: House, days: int) -> list[SourceQuality]:
    today = datetime.fromtimestamp(house.clock() / 1000, UTC).astimezone(ZoneInfo(house.settings.timezone)).date()
    wanted = [(today - timedelta(days=back)).isoformat() for back in range(days)]
    stored = await house.qualities.read(wanted)
    imported = by_day((await house.imports.read()).values(), house.settings.timezone)
    with reaching():
        names = {key.id: key.name for key in await house.made_keys()}
    counted = {day: merged(stored.get(day, ())) | imported.get(day, {}) for day in wanted}
    return list(sources_of(counted, names))
