"""Who asks, and whether they may.

Knows: how a key arrives in a request, and how long an answer about it is remembered.
Must not know: routes.  A browser's EventSource cannot send a header: until screens have a session of their own, live
streams are for clients that can (fetch, curl, any SSE library).
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Awaitable, Callable
from typing import Final

from fastapi import Request

from api.house import house_of
from api.problems import Refusal
from profiles.access import MEANING, Key, Scope

_NO_KEY: Final = "send an API key: `Authorization: Bearer mk_...`, as user name of Basic, or in `X-Api-Key`"


def needs(scope: Scope) -> Callable[[Request], Awaitable[Key]]:
    """A dependency that lets in keys with ``scope`` and refuses all others."""

    async def checked(request: Request) -> Key:
        return await let_in(request, scope)

    return checked


async def let_in(request: Request, scope: Scope) -> Key:
    """The key of the request.

    Raises:
        Refusal: 401 no key or an unknown one, 403 a key without this scope.
    """
    return await allowed(request, given_key(request), scope)


async def allowed(request: Request, given: str | None, scope: Scope) -> Key:
    """The key that was given, wherever it stood.

    Raises:
        Refusal: 401 no key or an unknown one, 403 a key without this scope.
    """
    if given is None:
        raise Refusal(401, "missing_key", _NO_KEY, headers=_challenge(request))
    key = await house_of(request).keys.find(given)
    if key is None:
        said = "this key is unknown or was revoked"
        raise Refusal(401, "unknown_key", said, headers=_challenge(request, 'error="invalid_token"'))
    if not key.allows(scope):
        said = f"this key lacks the scope '{scope}' ({MEANING[scope]})"
        headers = _challenge(request, f'error="insufficient_scope", scope="{scope}"')
        raise Refusal(403, "missing_scope", said, headers=headers)
    return key


def given_key(request: Request) -> str | None:
    """The key a request carries, wherever it carries it; where there is an Authorization, nothing else counts."""
    authorization = request.headers.get("authorization")
    if authorization is None:
        return request.headers.get("x-api-key") or None
    scheme, _, rest = authorization.partition(" ")
    match scheme.lower():
        case "bearer":
            return rest.strip() or None
        case "basic":
            return _user_name(rest)
    return None


def _user_name(encoded: str) -> str | None:
    try:
        return b64decode(encoded, validate=True).decode().partition(":")[0] or None
    except ValueError:
        return None


def _challenge(request: Request, detail: str = "") -> dict[str, str]:
    """Pages for people make the browser ask for a key; answers for programs must not open a dialog."""
    scheme = "Basic" if request.url.path in ("/docs", "/openapi.json") else "Bearer"
    said = [part for part in ('realm="mien"', detail) if part]
    return {"WWW-Authenticate": f"{scheme} {', '.join(said)}"}
