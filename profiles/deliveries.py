"""What leaves the house for an alert, on which lane, and when it is tried again.

Knows: deliveries as values, the gates before a send, the retry ladder.
Must not know: HTTP, SMS providers, Redis.

A *lane* is one way out: a webhook URL, or SMS.  Each lane has its own queue, so none waits for another.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from typing import Final, Literal

import msgspec

from profiles.alerts import State
from profiles.clock import HOUR, MINUTE, SECOND, Millis

Verb = Literal["raised", "resolved"]
Channel = Literal["webhook", "sms"]
Progress = Literal["pending", "sending", "delivered", "sent", "refused", "withdrawn", "unknown", "dead"]

LADDER: Final[tuple[Millis, ...]] = (
    0,
    5 * SECOND,
    5 * MINUTE,
    30 * MINUTE,
    2 * HOUR,
    5 * HOUR,
    10 * HOUR,
    14 * HOUR,
    20 * HOUR,
    24 * HOUR,
)
"""Pause before each attempt, counted from the failure of the one before: the ladder of the Standard Webhooks spec."""

JITTER: Final = 0.1  #: a pause is up to this much longer, so that what failed together does not come back together
LONGEST_WAIT: Final = 24 * HOUR  #: more patience than this an endpoint cannot ask for


class Lane(msgspec.Struct, frozen=True):
    """A way out.  ``id`` is short and stable; ``url`` is empty for SMS, and where it is no longer known."""

    id: str
    url: str = ""

    @property
    def channel(self) -> Channel:
        """How this lane sends."""
        return "sms" if self.id == "sms" else "webhook"


SMS: Final = Lane("sms")


def lane_of(url: str) -> Lane:
    """The lane of a webhook URL.

    >>> lane_of("https://example.com/hook").id
    'w160e9728b1'
    """
    return Lane("w" + blake2b(url.encode(), digest_size=5).hexdigest(), url)


def lanes_for(urls: Iterable[str]) -> tuple[Lane, ...]:
    """The lanes every new alert leaves on: each URL once, and SMS."""
    return (*(lane_of(url) for url in dict.fromkeys(urls)), SMS)


def delivery_id(lane: Lane, alert: str, verb: Verb) -> str:
    """The same for every attempt and in every replay: receivers use it to drop what they have seen.

    >>> delivery_id(SMS, "1008efab7d9e61f163b444cf", "raised")
    'sms-1008efab7d9e61f163b444cf-raised'
    """
    return f"{lane.id}-{alert}-{verb}"


def lane_id(delivery: str) -> str:
    """The lane a delivery id names.

    >>> lane_id("sms-1008efab7d9e61f163b444cf-raised")
    'sms'
    """
    return delivery.partition("-")[0]


class Delivery(msgspec.Struct, frozen=True):
    """One message on its way.

    ``attempts`` counts the present one too.  ``lease`` is the token of the worker that holds it; only that worker may
    say that it failed.
    """

    id: str
    lane: Lane
    verb: Verb
    alert: str
    profile: str
    policy: str
    created_at: Millis
    state: Progress = "pending"
    attempts: int = 0
    lease: str = ""
    error: str = ""


def sms_refusal(
    *, enabled: bool, alert: State, created_at: Millis, now: Millis, stale_after: Millis, unwanted: str = ""
) -> str:
    """The first gate that is shut for an SMS just before it would be sent, as a reason code; empty if all are open.

    ``unwanted``: why the customer may not be written to at all.
    """
    if not enabled:
        return "sms_off"
    if unwanted:
        return unwanted
    if alert == "resolved":
        return "already_recovered"
    return "stale" if now - created_at > stale_after else ""


def next_attempt(delivery: str, attempts: int, now: Millis, retry_after: Millis = 0) -> Millis | None:
    """When to try again after ``attempts`` failures; None if that was the last.

    ``retry_after`` is how long the receiver asked to be left alone; it can only make a pause longer.

    >>> next_attempt("a", 10, 0) is None
    True
    >>> 5_000 <= next_attempt("a", 1, 0) <= 5_500
    True
    >>> next_attempt("a", 1, 0, retry_after=60_000)
    60000
    """
    if attempts >= len(LADDER):
        return None
    pause = LADDER[attempts]
    pause += int(pause * JITTER * _fraction(f"{delivery}/{attempts}"))
    return now + max(pause, min(retry_after, LONGEST_WAIT))


def _fraction(seed: str) -> float:
    """A number in [0, 1) that is the same for the same seed for ever."""
    return int.from_bytes(blake2b(seed.encode(), digest_size=4).digest(), "big") / 2**32
