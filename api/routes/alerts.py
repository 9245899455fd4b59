"""The alert desk: what is open, and who takes it in hand.

Knows: paths, parameters.  Must not know: when an alert is raised, how it is sent.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec
from fastapi import APIRouter, Depends, Path, Query, Request, Response

from api.house import house_of
from api.keys import needs
from api.openapi import refuses, shows, takes
from api.paging import bad_cursor, next_link
from api.problems import Refusal, unknown
from api.respond import body_of, ok
from api.shapes import Acknowledgement, Alerts
from profiles.alerts import Alert, State
from profiles.store.desk_reads import BadCursor

router = APIRouter(tags=["alerts"], dependencies=[Depends(needs("alerts"))], responses=refuses(401, 403, 422, 503))
_decode_acknowledgement: Final = msgspec.json.Decoder(Acknowledgement).decode

AlertId = Annotated[str, Path(max_length=64)]


@router.get(
    "/v1/alerts", summary="Alerts, the latest first", responses=shows(Alerts, "A page of alerts.") | refuses(400)
)
async def alerts(
    request: Request,
    state: Annotated[State | None, Query(description="Only these.")] = None,
    order: Annotated[
        Literal["latest", "stake"],
        Query(description="`stake`: those not resolved, where most is at stake first; one page, any state."),
    ] = "latest",
    cursor: Annotated[str | None, Query(max_length=64, description="`next_cursor` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=100, description="How many at most.")] = 50,
) -> Response:
    """Nothing is skipped or shown twice while others are raised meanwhile."""
    if order == "stake":
        top = await house_of(request).alerts.ranked(limit=limit)
        return ok(Alerts(top.alerts, top.more, None))
    try:
        page = await house_of(request).alerts.alerts(state=state, limit=limit, cursor=cursor or "")
    except BadCursor:
        raise bad_cursor() from None
    more = page.cursor if page.more else None
    return ok(Alerts(page.alerts, page.more, more), next_link(request, more, state=state, limit=limit))


@router.post(
    "/v1/alerts/{alert}:acknowledge",
    summary="Take an alert in hand",
    responses=shows(Alert, "As it is now.") | refuses(400, 404, 409, 413),
    openapi_extra=takes(Acknowledgement),
)
async def acknowledge(request: Request, alert: AlertId) -> Response:
    """Safe to repeat: whoever was first stays the one who has it."""
    by = (await body_of(request, _decode_acknowledgement)).by.strip()
    house = house_of(request)
    found = await _alert(request, alert)
    if found.state == "open":
        await house.desk.acknowledge(found, by, house.clock())
        found = await _alert(request, alert)
    if found.state == "resolved":
        raise Refusal(
            409, "alert_resolved", "this alert is over: the customer recovered before anybody took it in hand"
        )
    return ok(found)


@router.get("/v1/alerts/{alert}", summary="One alert", responses=shows(Alert, "As it is now.") | refuses(404))
async def alert(request: Request, alert: AlertId) -> Response:
    """Why it was raised, and what has become of it."""
    return ok(await _alert(request, alert))


async def _alert(request: Request, name: str) -> Alert:
    found = await house_of(request).alerts.alert(name)
    if found is None:
        raise unknown("unknown_alert", "alert", name)
    return found
