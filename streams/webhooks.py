"""Webhooks after the Standard Webhooks specification: the payload, its signature, one attempt to deliver it.

Knows: headers, secrets, status codes.
Must not know: queues and retries (``profiles.deliveries`` has the ladder), which alerts there are.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import hmac
import secrets as random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

import httpx2
import msgspec

from profiles.alerts import Alert, event_type
from profiles.clock import SECOND, Clock, Millis, iso
from profiles.deliveries import Verb
from profiles.errors import MienError
from streams.egress import Forbidden, addresses

MOST_BYTES: Final = 20_000  #: of a payload
MOST_ANSWER_BYTES: Final = 65_536  #: more of an answer is not read
TIMEOUT_SECONDS: Final = 15.0
CONNECT_SECONDS: Final = 5.0
WHSEC: Final = "whsec_"
SECRET_BYTES: Final = range(24, 65)
PATIENT: Final = frozenset({429, 503})  #: statuses whose Retry-After counts


class BadSecret(MienError):
    """A signing secret that cannot be used."""


class TooLarge(MienError):
    """A payload that receivers need not accept."""


def new_secret() -> str:
    """A fresh signing secret."""
    return WHSEC + base64.b64encode(random.token_bytes(32)).decode()


class Signer:
    """Signs with every given secret, so that receivers can change from one to the next at their leisure."""

    def __init__(self, secrets: str) -> None:
        """One or more ``whsec_...`` separated by spaces.

        Raises:
            BadSecret: there is none, or one has not the form of a secret.
        """
        self._keys = [_key(one) for one in secrets.split()]
        if not self._keys:
            raise BadSecret(f"no signing secret; set MIEN_WEBHOOK_SECRET, for example to {new_secret()}")

    def headers(self, message: str, at: Millis, body: bytes) -> dict[str, str]:
        """The three headers that prove where a message comes from, and when."""
        seconds = str(at // SECOND)
        signed = b".".join((message.encode(), seconds.encode(), body))
        marks = (base64.b64encode(hmac.digest(key, signed, "sha256")).decode() for key in self._keys)
        return {
            "webhook-id": message,
            "webhook-timestamp": seconds,
            "webhook-signature": " ".join(f"v1,{mark}" for mark in marks),
        }


def _key(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix(WHSEC), validate=True)
    except binascii.Error:
        key = b""
    if not secret.startswith(WHSEC) or len(key) not in SECRET_BYTES:
        raise BadSecret(
            f"MIEN_WEBHOOK_SECRET must be {WHSEC} and 24 to 64 random bytes in base64, for example {new_secret()}"
        )
    return key


def payload(alert: Alert, verb: Verb) -> bytes:
    """What is posted: enough to act or to ask for more, and nothing that identifies a person outside the shop.

    Raises:
        TooLarge: it would be over 20 kB, as only a monstrous profile id can make it.
    """
    raised = verb == "raised"
    data = {
        "id": alert.id,
        "profile": alert.profile,
        "policy": alert.policy,
        "state": "open" if raised else "resolved",
        "what": alert.what,
        "name": alert.name,
        "label": alert.label,
        "action": alert.action,
        "at": iso(alert.at),
        "raised_at": iso(alert.raised_at),
        "resolved_at": None if raised or alert.resolved_at is None else iso(alert.resolved_at),
        "risk": alert.risk,
        "stake": alert.stake,
        "reasons": alert.reasons,
        "tier": alert.tier,
        "stage": alert.stage,
    }
    moment = alert.raised_at if raised or alert.resolved_at is None else alert.resolved_at
    body = msgspec.json.encode({"type": event_type(alert.policy, verb), "timestamp": iso(moment), "data": data})
    if len(body) >= MOST_BYTES:
        raise TooLarge(f"{len(body)} bytes, at most {MOST_BYTES} are allowed")
    return body


@dataclass(frozen=True)
class Answer:
    """How an attempt went.

    ``reason`` is empty if the message arrived.  ``final``: trying again cannot help.  ``gone``: the endpoint asked for
    no more messages, ever.  ``retry_after``: how long it asked to be left alone.
    """

    reason: str = ""
    detail: str = ""
    retry_after: Millis = 0
    final: bool = False
    gone: bool = False


class Webhooks:
    """Posts signed messages; ``client`` may be shared, nothing of it is changed."""

    def __init__(
        self,
        client: httpx2.AsyncClient,
        signer: Signer,
        clock: Clock,
        *,
        private: bool,
        timeout: float = TIMEOUT_SECONDS,
    ) -> None:
        """``private`` allows http and addresses of the own network; ``timeout`` bounds a whole attempt, in seconds."""
        self._client = client
        self._signer = signer
        self._clock = clock
        self._private = private
        self._timeout = timeout

    async def post(self, url: str, message: str, body: bytes) -> Answer:
        """One attempt.  Never raises for what the other side, the network or the URL does."""
        try:
            async with asyncio.timeout(self._timeout):
                return await self._post(httpx2.URL(url), message, body)
        except (Forbidden, httpx2.InvalidURL) as error:
            return Answer("forbidden_address", str(error), final=True)
        except TimeoutError:
            return Answer("no_answer", f"no answer within {self._timeout:g} s")
        except (httpx2.HTTPError, OSError) as error:
            return Answer("no_answer", f"{type(error).__name__}: {error}")

    async def _post(self, url: httpx2.URL, message: str, body: bytes) -> Answer:
        *others, last = await addresses(url, private=self._private)
        for address in others:
            with contextlib.suppress(httpx2.ConnectError, httpx2.ConnectTimeout):
                return await self._post_to(address, url, message, body)
        return await self._post_to(last, url, message, body)

    async def _post_to(self, address: str, url: httpx2.URL, message: str, body: bytes) -> Answer:
        """Post to one address that was checked, in the name of the host that was asked for."""
        now = self._clock()
        headers = {
            "host": url.netloc.decode("ascii"),
            "content-type": "application/json",
            "user-agent": "mien",
            "connection": "close",  # an address may serve several names: a connection is for one of them
            **self._signer.headers(message, now, body),
        }
        async with self._client.stream(
            "POST",
            url.copy_with(host=address),
            content=body,
            headers=headers,
            timeout=httpx2.Timeout(self._timeout, connect=min(CONNECT_SECONDS, self._timeout)),
            follow_redirects=False,  # a redirect could lead where the check above would not let us
            extensions={"sni_hostname": url.host},
        ) as response:
            await _read_some(response)
            return _judge(response.status_code, response.headers, now)


async def _read_some(response: httpx2.Response) -> None:
    """A polite client lets the other side finish its sentence, up to a point."""
    seen = 0
    async for part in response.aiter_raw():
        seen += len(part)
        if seen > MOST_ANSWER_BYTES:
            return


def _judge(status: int, headers: Mapping[str, str], now: Millis) -> Answer:
    if 200 <= status < 300:
        return Answer(detail=f"HTTP {status}")
    if status == httpx2.codes.GONE:
        return Answer("endpoint_gone", f"HTTP {status}", final=True, gone=True)
    wait = _retry_after(headers.get("retry-after", ""), now) if status in PATIENT else 0
    return Answer("bad_answer", f"HTTP {status}", retry_after=wait)


def _retry_after(value: str, now: Millis) -> Millis:
    """Seconds or an HTTP date; anything else asks for nothing.

    >>> _retry_after("120", 0), _retry_after("Thu, 01 Jan 1970 00:02:00 GMT", 0), _retry_after("soon", 0)
    (120000, 120000, 0)
    """
    if value.isascii() and value.isdigit():
        return int(value[:9]) * SECOND
    try:
        then = parsedate_to_datetime(value)
    except ValueError:
        return 0
    then = then if then.tzinfo else then.replace(tzinfo=UTC)
    return max(0, int((then - datetime.fromtimestamp(now / SECOND, UTC)).total_seconds() * SECOND))
