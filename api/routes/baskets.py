"""What is bought together, and what a customer may buy next.

Knows: paths, parameters, what an answer looks like.  Must not know: how rules are counted or chosen.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from api.house import house_of
from api.keys import needs
from api.openapi import refuses, shows
from api.respond import ok
from api.routes.profiles import ProfileId, customer
from profiles.intake import NAME_LIMIT
from profiles.models.basket_lines import Baskets, Measure
from profiles.models.basket_params import Of
from profiles.models.suggestions import Suggestions

RULES_LIMIT = 500

router = APIRouter(tags=["insights"], dependencies=[Depends(needs("read"))], responses=refuses(401, 403, 422, 503))


@router.get("/v1/baskets", summary="What is bought together", responses=shows(Baskets, "The rules that hold."))
async def baskets(
    request: Request,
    of: Annotated[Of | None, Query(description="products or categories; both if left out")] = None,
    name: Annotated[
        str | None, Query(max_length=NAME_LIMIT, description="only rules that speak of this product or category")
    ] = None,
    sort: Annotated[Measure, Query(description="what comes first")] = "extra",
    limit: Annotated[int, Query(ge=1, le=RULES_LIMIT)] = 50,
) -> Response:
    """Of the orders of several things that had the one, how many also had the other, beside how often it is bought anyway.

    Only rules that are more than chance.  `extra`, the share of all orders that has both beyond what chance would put together,
    puts first what is frequent and strong.  Numbers never overstate: see `counted`.
    """
    return ok(await (await house_of(request).reader()).baskets(of, name, sort, limit))


@router.get(
    "/v1/profiles/{profile}/suggestions",
    summary="What a customer may buy next",
    responses=shows(Suggestions, "Suggestions with their reasons, or why there are none.") | refuses(400, 404),
)
async def suggestions(request: Request, profile: ProfileId) -> Response:
    """Products, then categories, that orders with what the customer has in the cart or cared for lately also had.

    Nothing that the customer looked at, put into the cart or bought lately.
    """
    reader, found = await customer(request, profile)
    return ok(await reader.suggestions(found))
