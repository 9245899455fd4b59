"""Names of topics that both shells write to, and which of them an event goes to.

Knows: names.  Must not know: partitions, the broker, what is in a record (``streams.topics`` makes and checks them).
"""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Final

from profiles.errors import MienError

PROFILE_INPUTS: Final = "profile-inputs"
DEAD_LETTERS: Final = "dead-letters"
BEHAVIOR: Final = "events.behavior"
ORDERS: Final = "events.orders"
USUAL_EVENTS: Final = (BEHAVIOR, ORDERS)
"""What exists out of the box: created where the event topics are a glob that matches them."""

KEPT_DAYS: Final = 7  #: how long a record stays in a topic that Mien made
DEAD_LETTER_DAYS: Final = 30  #: in that of dead letters


class NoTopic(MienError):
    """No topic is both read by workers and known by name."""


def for_events(patterns: Iterable[str]) -> tuple[str, str]:
    """Where behaviour and where orders go, so that workers who read ``patterns`` find them.

    Raises:
        NoTopic: ``patterns`` are globs that no usual topic matches; the message names the fix.

    >>> for_events(["events.*"]), for_events(["crm", "shop.*"])
    (('events.behavior', 'events.orders'), ('crm', 'crm'))
    """
    patterns = tuple(patterns)
    usual = [name for name in USUAL_EVENTS if any(fnmatchcase(name, one) for one in patterns)]
    plain = [one for one in patterns if not set(one) & set("*?[")]
    found = usual or plain[:1]
    if not found:
        raise NoTopic(f"nothing names a topic to collect events in: add one without * to MIEN_EVENT_TOPICS {patterns}")
    return found[0], found[-1]
