"""What the tests of the alert desk share: transitions to hand in, places to look, and a client that dies to order.

The fixtures are in ``alert_fixtures``.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from redis.asyncio import Redis

from profiles.alerts import AlertRule, Text
from profiles.store.address import address
from profiles.store.cluster import Cluster
from profiles.store.desk_reads import DeskReads
from profiles.wire import Transition
from streams.alerts import AlertDesk
from streams.webhooks import new_secret

NOW = 1_700_000_000_000
SECRET = new_secret()
RULES = {
    ("tier", "churn_warning"): AlertRule("churn_rescue", Text("流失预警", "churn warning"), Text("致电", "call")),
    ("tag", "complained"): AlertRule("service", Text("投诉", "complaint"), Text("回访", "call back")),
}


Open = Callable[..., AlertDesk]


def moved(seq: int, profile: str, to: str, was: str, **about: Any) -> Transition:
    base = {"bucket": 0, "at": NOW, "clock": NOW, "origin": "live", "rules": 1}
    return Transition(seq=seq, profile=profile, what="tier", name=to, change="moved", was=was, **{**base, **about})


def lapse(seq: int, profile: str = "hh-1", **about: Any) -> Transition:
    return moved(seq, profile, "churn_warning", "general", **about)


def recovery(seq: int, profile: str = "hh-1", **about: Any) -> Transition:
    return moved(seq, profile, "general", "churn_warning", **about)


def complaint(seq: int, profile: str = "hh-1") -> Transition:
    return Transition(0, seq, profile, "tag", "complained", "entered", NOW, NOW, "live", 1)


def sent(tmp_path: Path) -> list[dict[str, Any]]:
    """The SMS that left."""
    path = tmp_path / "sms.log"
    return [msgspec.json.decode(line) for line in path.read_bytes().splitlines()] if path.exists() else []


async def outcomes(reads: DeskReads) -> list[str]:
    """The ledger, the first line first: the reason of what did not go well, the outcome of what did."""
    return [line.reason or line.outcome for line in reversed(await reads.ledger())]


class Died(BaseException):
    """The process ended here."""


class _Mortal:
    """What makes a client of either kind die before or after a certain command, and stay dead."""

    left = 10**9  #: moments to live

    def _live(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Died

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        self._live()
        answer = await super().execute_command(*args, **options)  # type: ignore[misc]
        self._live()
        return answer

    def pipeline(self, *args: Any, **options: Any) -> Any:
        self._live()
        return super().pipeline(*args, **options)  # type: ignore[misc]


class _MortalServer(_Mortal, Redis):  # type: ignore[misc]
    """A client of one server."""


class _MortalCluster(_Mortal, Cluster):  # type: ignore[misc]
    """A client of a Cluster."""


def mortal(url: str, moments: int = 10**9) -> Any:
    """A client that lives for so many moments; every command has two, one before and one after it."""
    where = address(url)
    client: Any = _MortalCluster(where, timeout=5.0) if where.cluster else _MortalServer.from_url(url)
    client.left = moments
    return client
