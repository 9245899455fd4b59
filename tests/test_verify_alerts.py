"""The alert desk is judged by what its transitions ask for, no more and no less."""

from __future__ import annotations

from typing import Any

import pytest

from profiles.alerts import Alert, AlertRule, Text, alert_id
from profiles.clock import DAY, HOUR
from profiles.store.desk_rows import LedgerLine
from profiles.verify.alerts import AlertJudge, Desk
from profiles.verify.report import Report
from profiles.wire import Transition

NOW = 1_750_000_000_000
CAUSE = ("tier", "churn_warning")
RULES = {CAUSE: AlertRule("churn_rescue", Text("流失", "churn"), Text("致电", "call")),
         ("tag", "unhappy"): AlertRule("churn_rescue", Text("不满", "unhappy"), Text("致电", "call"))}  # fmt: skip


def moved(seq: int, name: str, was: str, at: int = NOW, **other: Any) -> Transition:
    usual: dict[str, Any] = {"clock": at, "origin": "live", "rules": 1, "was": was}
    return Transition(0, seq, "a", "tier", name, "moved", at, **{**usual, **other})


def alert(at: int = NOW, state: str = "open") -> Alert:
    text = Text("流失", "churn")
    name = alert_id("a", *CAUSE, at)
    return Alert(name, "a", "churn_rescue", *CAUSE, text, at, at, state, (), None, None, None, text)  # type: ignore[arg-type]


def refused(reason: str, detail: str = "tier churn_warning") -> LedgerLine:
    return LedgerLine("1-0", NOW, "refused", reason, "", "", "a", "churn_rescue", "", detail)


def judged(
    transitions: list[Transition],
    alerts: list[Alert],
    ledger: list[LedgerLine],
    taken_back: tuple[Transition, ...] = (),
    **other: Any,
) -> Report:
    told = {f"{one.outcome}:{one.reason}": 0 for one in ledger}
    for one in ledger:
        told[f"{one.outcome}:{one.reason}"] += 1
    last = max((t.seq for t in transitions), default=0)
    usual: dict[str, Any] = {
        "cursors": {0: (last, last)},
        "alerts": {one.id: one for one in alerts},
        "ledger": ledger,
        "raised": [one.id for one in alerts],
        "counts": {"raised": len(alerts), **told},
        "now": NOW + HOUR,
    }
    judge = AlertJudge(Desk(**{**usual, **other}), {1: RULES}, DAY, False, Report())
    judge.taken_back(taken_back)
    judge.bucket(0, transitions)
    judge.rest()
    return judge.report


ENTER, LEAVE = moved(1, "churn_warning", "ordinary"), moved(2, "ordinary", "churn_warning", NOW + 1)
AGAIN = moved(3, "churn_warning", "ordinary", NOW + 2)
UNHAPPY = Transition(0, 2, "a", "tag", "unhappy", "entered", NOW + 1, NOW + 1, "live", 1)


@pytest.mark.parametrize(
    ("transitions", "alerts", "ledger"),
    [
        ([], [], []),
        ([ENTER], [alert()], []),
        ([ENTER, LEAVE], [alert(state="resolved")], []),
        ([ENTER, LEAVE, AGAIN], [alert(state="resolved"), alert(NOW + 2)], []),
        ([ENTER, UNHAPPY], [alert()], [refused("episode_open", "tag unhappy")]),
        ([moved(1, "churn_warning", "ordinary", origin="reconcile")], [], [refused("reconcile")]),
        ([moved(1, "churn_warning", "ordinary", clock=NOW + 2 * DAY)], [], [refused("stale")]),
        ([moved(1, "churn_warning", "ordinary", NOW - 2 * DAY)], [], [refused("stale")]),
        ([moved(1, "ordinary", "grown")], [], []),
    ],
)  # fmt: skip
def test_a_desk_that_did_what_it_had_to_is_not_blamed(
    transitions: list[Transition], alerts: list[Alert], ledger: list[LedgerLine]
) -> None:
    assert judged(transitions, alerts, ledger).by_kind == {}


@pytest.mark.parametrize(
    ("transitions", "alerts", "ledger", "said"),
    [
        ([ENTER], [], [], "no alert and no refusal"),
        ([ENTER, LEAVE], [alert()], [], "open"),
        ([ENTER], [alert(state="resolved")], [], "resolved"),
        ([], [alert()], [], "raised"),
        ([ENTER, AGAIN], [alert(), alert(NOW + 2)], [], "raised"),
        ([ENTER], [alert()], [refused("episode_open")], "1 refusals too many"),
        ([ENTER], [], [refused("stale")], "stale"),
        ([moved(1, "churn_warning", "ordinary", origin="reconcile")], [alert()], [], "raised"),
        ([moved(1, "churn_warning", "ordinary", clock=NOW + 2 * DAY)], [alert()], [], "raised"),
    ],
)  # fmt: skip
def test_a_desk_that_did_less_or_more_is_named(
    transitions: list[Transition], alerts: list[Alert], ledger: list[LedgerLine], said: str
) -> None:
    found = judged(transitions, alerts, ledger)
    assert found.by_kind == {"alert": 1}
    assert found.examples["alert"][0].stored == said


def test_what_the_desk_has_not_come_to_is_counted_and_not_blamed() -> None:
    found = judged([ENTER], [], [], cursors={0: (0, 0)})
    assert (found.by_kind, found.left_out["transitions that the alert desk has not decided about"]) == ({}, 1)


def test_a_desk_at_work_may_be_further_than_its_first_cursor_said() -> None:
    for alerts in ([], [alert()]):
        assert judged([ENTER], alerts, [], cursors={0: (0, 1)}).by_kind == {}


def test_raising_or_sending_twice_is_found() -> None:
    sent = LedgerLine("2-0", NOW, "delivered", "", "webhook", alert().id, "a", "churn_rescue", "w-1-raised", "")
    found = judged([ENTER], [alert()], [sent, sent], raised=[alert().id] * 2)
    assert found.by_kind == {"alert": 1, "delivery": 1}
    assert judged([ENTER], [alert()], [], counts={"raised": 2}).by_kind == {"alert": 1}


STALE = moved(1, "churn_warning", "ordinary", clock=NOW + 2 * DAY)


@pytest.mark.parametrize("ledger", [["stale"], ["stale", "stale"], ["episode_open", "stale"]])
def test_the_ledger_may_tell_what_an_older_store_took_back(ledger: list[str]) -> None:
    """It may be on another node of a Cluster, that lost nothing."""
    found = judged([STALE], [], [refused(reason) for reason in ledger], taken_back=(STALE,))
    assert found.by_kind == {}


def test_no_more_refusals_are_forgiven_than_were_taken_back() -> None:
    found = judged([STALE], [], [refused("stale")] * 3, taken_back=(STALE,))
    assert found.examples["alert"][0].stored == "1 refusals too many"
