"""Which addresses this machine may be made to call.

Knows: names, addresses, and which of them are nobody's business from outside.
Must not know: webhooks, or what is sent.

Whoever can configure a URL could otherwise make us knock on the shop's own doors (server-side request forgery).  The
name is resolved here, every address is checked, and the caller connects to what was checked: asking the name again
could give another answer.
"""

from __future__ import annotations

import asyncio
import socket
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final

import httpx2

from profiles.errors import MienError

_TUNNELS: Final = tuple(map(ip_network, ("2002::/16", "2001::/32", "64:ff9b::/96", "64:ff9b:1::/48")))
"""IPv6 addresses that carry an IPv4 address inside, which may be a private one."""


class Forbidden(MienError):
    """An address that may not be called; the message names the setting that would allow it."""


def is_public(address: str) -> bool:
    """Whether an address belongs to the internet at large.

    >>> [is_public(one) for one in ("8.8.8.8", "10.0.0.1", "127.0.0.1", "169.254.169.254", "::1", "::ffff:10.0.0.1")]
    [True, False, False, False, False, False]
    """
    ip = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv6Address):
        if ip.ipv4_mapped:
            return is_public(str(ip.ipv4_mapped))
        if ip.is_site_local or any(ip in tunnel for tunnel in _TUNNELS):
            return False
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


async def addresses(url: httpx2.URL, *, private: bool) -> list[str]:
    """The addresses behind a URL, in the order to try them.

    ``private`` allows plain http and addresses of the own network.

    Raises:
        Forbidden: the scheme is not allowed, or one of the addresses is not public.
        OSError: the name cannot be resolved now.
    """
    if url.scheme not in ({"http", "https"} if private else {"https"}):
        raise Forbidden(f"{url.scheme or 'no'} scheme: use https, or allow http with MIEN_WEBHOOK_PRIVATE=true")
    if not url.host:
        raise Forbidden("the URL names no host")
    port = url.port or (443 if url.scheme == "https" else 80)
    try:
        found = await asyncio.get_running_loop().getaddrinfo(url.host, port, type=socket.SOCK_STREAM)
    except UnicodeError:
        raise Forbidden(f"{url.host!r} is not a host name") from None
    unique = list(dict.fromkeys(str(where[0]) for *_, where in found))
    hidden = [] if private else [one for one in unique if not is_public(one)]
    if hidden:
        raise Forbidden(f"{url.host} is {hidden[0]}, which is not public; allow it with MIEN_WEBHOOK_PRIVATE=true")
    return unique
