"""The web application: routes, the frame around them, the house they stand in.

Knows: how the parts are put together.  Must not know: what any of them does.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError

from api.express import Express
from api.frame import Frame
from api.health import Health
from api.house import House
from api.metrics import VERSION
from api.openapi import describe
from api.problems import Refusal, refuse, refuse_invalid, refuse_path
from api.routes import (
    alerts,
    baskets,
    collect,
    consents,
    health,
    identity,
    insights,
    live,
    models,
    profiles,
    regulations,
    reveal,
    sources,
    tags,
)
from profiles.clock import Clock, system_clock
from profiles.settings import Settings

ABOUT: Final = (
    "A living profile (画像) of every customer. Every request but `/healthz` and `/readyz` needs an API key. "
    "Times are milliseconds since 1970 in UTC. Errors are `application/problem+json` with a stable `code`."
)


def create_app(settings: Settings, clock: Clock = system_clock) -> FastAPI:
    """The application; nothing is connected before it starts.

    Raises:
        UnknownScope: MIEN_API_KEYS has an entry that cannot be understood.
    """
    house = House(settings, clock)
    app = FastAPI(
        title="Mien",
        version=VERSION,
        description=ABOUT,
        lifespan=_lifespan,
        openapi_url=None,  # served by a route that asks for a key
        redirect_slashes=False,
        exception_handlers={
            Refusal: refuse,
            RequestValidationError: refuse_invalid,
            404: refuse_path,
            405: refuse_path,
        },
    )
    app.state.house = house
    app.state.health = Health(house)
    routers = (
        profiles.router,
        reveal.router,
        consents.router,
        regulations.router,
        identity.router,
        models.router,
        insights.router,
        baskets.router,
        sources.router,
        tags.router,
        alerts.router,
        live.profiles,
        live.alerts,
        *([collect.router] if settings.collect else []),
        health.router,
    )
    for router in routers:
        app.include_router(router)
    app.add_middleware(Express, posts=collect.POSTS if settings.collect else {})
    app.add_middleware(Frame)  # added last, so it is around all others
    app.openapi = lambda: describe(app)  # type: ignore[method-assign]
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    house: House = app.state.house
    await house.start()
    try:
        yield
    finally:
        await house.close()
