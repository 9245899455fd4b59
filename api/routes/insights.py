"""What all customers do together: paths from step to step, and who comes back.

Knows: paths, what an answer looks like.  Must not know: how anything is counted.
"""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request, Response

from api.house import house_of
from api.keys import needs
from api.openapi import refuses, shows
from api.respond import ok
from api.routes.profiles import ProfileId, customer
from profiles.models.paths import NextStep, Paths
from profiles.models.retention import Retention

router = APIRouter(tags=["insights"], dependencies=[Depends(needs("read"))], responses=refuses(401, 403, 422, 503))


@router.get("/v1/paths", summary="From step to step", responses=shows(Paths, "The chain of steps as counted so far."))
async def paths(request: Request) -> Response:
    """How customers move between kinds of events within a session, as a Markov chain with order and end absorbing.

    For each step: what follows how often, and the probability that an order comes before the session ends; the likeliest
    ways to an order; where most sessions end.
    """
    return ok(await (await house_of(request).reader()).paths())


@router.get(
    "/v1/profiles/{profile}/next",
    summary="What a customer is likely to do next",
    responses=shows(NextStep, "The step the customer stands at, and what followed it so far.") | refuses(400, 404),
)
async def next_step(request: Request, profile: ProfileId) -> Response:
    """Where the customer stands in the session that is open (``START`` if none is), and what customers do from there."""
    reader, found = await customer(request, profile)
    return ok(await reader.next_step(found))


@router.get("/v1/retention", summary="Who comes back", responses=shows(Retention, "The cohort table."))
async def retention(request: Request) -> Response:
    """Customers by the week of their first day of activity, and how many were active again: by week, and after N days."""
    return ok(await (await house_of(request).reader()).retention())
