"""Golden journeys: what one customer does, and how the shop sees that customer at every turn.

``NAME.jsonl`` holds the events as apps send them, one a line (a line that begins with # is a remark; ``received`` says
when an event arrived, if not at once).  ``NAME.expected.yaml`` says what is true at some moments, in the shop's time:
the tags held (all of them), the rungs, any features, and ``silence``: what will change, when, if nothing more comes.
``told`` lists everything that was announced.  The rules are the shipped ones.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec
import pytest
import yaml

from profiles.clock import zone
from profiles.codec import from_blobs
from profiles.errors import Rejected
from profiles.features import FEATURES, INDEX, Unit
from profiles.intake import Event, Intake
from profiles.kinds import Kind
from profiles.layout import LADDERS
from profiles.rules import assign_slots, compile_rules, shipped
from profiles.view import features_at, outlook
from tests.laws.machine import Apply, Machine, Read

HERE: Final = Path(__file__).parent
JOURNEYS: Final = sorted(path.name.removesuffix(".jsonl") for path in HERE.glob("*.jsonl"))
BOOK: Final = compile_rules(shipped(), assign_slots(shipped(), {}))


class Journey:
    """One customer on the way through time."""

    def __init__(self, name: str) -> None:
        self.expected: dict[str, Any] = yaml.safe_load((HERE / f"{name}.expected.yaml").read_text(encoding="utf-8"))
        self.zone = ZoneInfo(self.expected["timezone"])
        self.refused: list[str] = []
        self.arrivals = self._arrivals(HERE / f"{name}.jsonl")
        self.shop = Machine([[event for _, event in self.arrivals]], zone(self.expected["timezone"]), book=BOOK)
        self.profile = self.arrivals[0][1].profile
        self.names = {code: text for _, event in self.arrivals for code, text in event.names}

    def _arrivals(self, path: Path) -> list[tuple[int, Event]]:
        intake = Intake(self.expected.get("currency", "CNY"), self.expected["timezone"])
        found = []
        for line in path.read_text(encoding="utf-8").splitlines():
            if line and not line.startswith("#"):
                sent = msgspec.json.decode(line)
                received = _millis(datetime.fromisoformat(sent.get("received") or sent["timestamp"]))
                try:
                    found.append((received, intake.read(line.encode(), received)))
                except Rejected as fault:
                    self.refused.append(fault.reason)
        assert found == sorted(found, key=lambda arrival: arrival[0]), "events stand in the order of arrival"
        return found

    def go_on_to(self, moment: int) -> None:
        """Everything that arrives and falls due up to ``moment``."""
        while self.shop.read[0] < len(self.arrivals) and self.arrivals[self.shop.read[0]][0] <= moment:
            self.shop.silence(self.arrivals[self.shop.read[0]][0])
            self.shop.act(Read(0, 1))
            self.shop.act(Apply(0, 1))
        self.shop.silence(moment)

    def seen(self, moment: int, features: list[str]) -> dict[str, Any]:
        """What a screen shows."""
        (row,) = from_blobs([self.shop.bucket(0).blobs[self.profile]], {})
        x, ahead = features_at(row, moment, self.shop.world), outlook(row, moment, self.shop.world)
        silence = {}
        for what, (at, after) in sorted(ahead.at.items(), key=lambda change: change[1]):
            ruling = BOOK.ruling(what, 0 if after else 1, after)
            name = f"{'+' if after else '-'}{ruling.name}" if what >= 0 else f"{ruling.what} {ruling.name}"
            silence[name] = self.local(at)
        return {
            "tags": sorted(BOOK.held(row)),
            **{ladder: BOOK.rung(ladder, row) for ladder in LADDERS},
            "features": {name: self._value(name, float(x[INDEX[name]])) for name in features},
            "silence": silence,
        }

    def _value(self, name: str, value: float) -> Any:
        if value != value:  # noqa: PLR0124 - NaN: nothing is known
            return None
        if name == "last_step":
            return Kind(int(value)).name.lower()
        return self.names[int(value)] if FEATURES[INDEX[name]].unit is Unit.NAME else round(value, 2)

    def told(self) -> list[str]:
        """Everything announced, oldest first: ``2025-03-03 20:05 + newcomer``."""
        messages = self.shop.told(self.profile)["messages"]
        marks = {"entered": "+", "left": "-"}
        return [
            f"{self.local(m['at'])} {marks.get(m['change'], m['what'])} {m['name']}"
            for topic, m in messages
            if topic == "transitions" and m["what"] != "rfm"
        ]

    def local(self, at: int) -> str:
        """The shop's wall clock."""
        return f"{datetime.fromtimestamp(at / 1000, UTC).astimezone(self.zone):%Y-%m-%d %H:%M}"

    def moment(self, written: object) -> int:
        """A moment as the file gives it: the shop's wall clock."""
        return _millis(datetime.fromisoformat(str(written)).replace(tzinfo=self.zone))


def _millis(moment: datetime) -> int:
    return round(moment.astimezone(UTC).timestamp() * 1000)


@pytest.mark.parametrize("name", JOURNEYS)
def test_journey(name: str) -> None:
    journey = Journey(name)
    for checkpoint in journey.expected["checkpoints"]:
        moment = journey.moment(checkpoint["at"])
        journey.go_on_to(moment)
        seen = journey.seen(moment, list(checkpoint.get("features", {})))
        for what, expected in checkpoint.items():
            if what == "silence":
                assert {name: seen[what].get(name) for name in expected} == expected, checkpoint["at"]
            elif what not in ("at", "why"):
                assert seen[what] == expected, f"{what} at {checkpoint['at']}: {checkpoint['why']}"
    if "told" in journey.expected:
        assert journey.told() == journey.expected["told"]
    assert journey.refused == journey.expected.get("refused", [])


def in_order(name: str) -> bool:
    """Whether nothing arrives late: else it meets a customer whom silence has changed (decision 001)."""
    happened = [event.time for _, event in Journey(name).arrivals]
    return happened == sorted(happened)


@pytest.mark.parametrize("name", [name for name in JOURNEYS if in_order(name)])
def test_a_journey_in_one_batch_is_the_same_journey(name: str) -> None:
    """Bytes, timeline and everything that was told."""
    stepwise, whole = Journey(name), Journey(name)
    end = stepwise.moment(stepwise.expected["checkpoints"][-1]["at"])
    stepwise.go_on_to(end)
    whole.shop.run([]).silence(end)
    assert whole.shop.told(whole.profile) == stepwise.shop.told(stepwise.profile)
