"""The requests that are made all the time, answered ahead of the framework: reading a customer, bringing events.

Knows: what such requests look like.  Must not know: how they are answered (``routes.profiles``, ``routes.collect``).
The framework finds a route among thirty, resolves its dependencies and checks parameters, each time anew; where the
route is known and asks one thing of the key, that is more work than the answer.  Whatever is not
exactly this request goes on to the framework, where the same function answers it; its description is there too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from fastapi import Request

from api.frame import App, Receive, Scope, Send
from api.keys import let_in
from api.problems import Refusal, answer
from api.routes import profiles

PREFIX: Final = "/v1/profiles/"
_ROUTE: Final = next(each for each in profiles.router.routes if getattr(each, "path", "") == profiles.ONE)


class Express:
    """A layer right below the frame."""

    def __init__(self, app: App, posts: Mapping[str, Any]) -> None:
        """``posts``: path -> route of what is sent to a fixed path and read raw."""
        self._app = app
        self._posts = posts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass on."""
        if scope["type"] == "http" and scope["method"] == "POST" and scope["path"] in self._posts:
            route = scope["route"] = self._posts[scope["path"]]
            response = await route.endpoint(Request(scope, receive))
            await response(scope, receive, send)
            return
        name = _asked(scope)
        if not name:
            await self._app(scope, receive, send)
            return
        scope["route"] = _ROUTE
        request = Request(scope)
        try:
            await let_in(request, "read")
            response = await profiles.profile(request, name)
        except Refusal as refusal:
            response = answer(scope, refusal)
        await response(scope, receive, send)


def _asked(scope: Scope) -> str:
    """The one path segment that names a customer, as it was sent; empty for any other request."""
    path: str = scope.get("path", "")
    if scope["type"] != "http" or scope["method"] != "GET" or not path.startswith(PREFIX):
        return ""
    name = path[len(PREFIX) :]
    return "" if "/" in name else name
