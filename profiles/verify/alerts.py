"""The alert desk beside the transitions it has decided about.

Knows: the gates and episodes of ``profiles.alerts``.  Must not know: Redis, who delivered what.

Every transition that concerns an alert rule became one alert or one refusal in the ledger.  Whether something was
stale depends on when the desk got round to it, which only the ledger tells; everything else follows from the
transitions.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from profiles.alerts import RANKED, Alert, AlertRule, Cause, Known, Policy, Rules, alert_id, decide
from profiles.clock import NEVER, Millis
from profiles.store.desk_rows import LedgerLine
from profiles.verify.report import Report
from profiles.wire import MAY_SEND, ORIGINS, Transition

SENT: Final = frozenset({"delivered", "sent"})
KEPT: Final = 180 * 86_400_000  #: how long an alert that has ended is kept (ms)
NEVER_SENT: Final = tuple(origin for origin in ORIGINS if origin not in MAY_SEND)
NOTHING_STALE: Final = Policy(0, NEVER)


@dataclass(frozen=True)
class Desk:
    """All that the alert desk remembers."""

    cursors: Mapping[int, tuple[int, int]]  #: bucket -> its cursor before and after the rest was read
    alerts: Mapping[str, Alert]
    ledger: Sequence[LedgerLine]  #: oldest first
    raised: Sequence[str]  #: ids of the alerts that screens were told of, in order
    counts: Mapping[str, int]  #: read before all the rest
    now: Millis  #: after all of it was read
    forgets: bool = False  #: customers were erased, so it has less than it has counted


@dataclass
class AlertJudge:
    """Decides once more, bucket by bucket, and looks for each outcome."""

    desk: Desk
    rules: Mapping[int, Rules]  #: by version
    stale_after: Millis
    replay: bool
    report: Report
    explained: set[str] = field(default_factory=set)
    _refusals: dict[tuple[str, str, str], list[str]] = field(default_factory=dict)
    _taken_back: Counter[tuple[str, str, str]] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        found: defaultdict[tuple[str, str, str], list[str]] = defaultdict(list)
        for line in self.desk.ledger:
            if line.outcome == "refused" and not line.delivery and line.detail != "resolved":
                found[line.profile, line.policy, line.detail].append(line.reason)
        self._refusals = {key: reasons[::-1] for key, reasons in found.items()}

    @property
    def ledger_whole(self) -> bool:
        """Whether the ledger still holds every line that was ever written."""
        told = sum(n for name, n in self.desk.counts.items() if name not in ("raised", "resolved", "acknowledged"))
        return told <= len(self.desk.ledger)

    def taken_back(self, transitions: Iterable[Transition]) -> None:
        """Call it first, with what an older state of Redis took back: the ledger may tell how that was refused."""
        for t in transitions:
            for policy in {rules[t.what, t.name].policy for rules in self.rules.values() if (t.what, t.name) in rules}:
                self._taken_back[t.profile, policy, f"{t.what} {t.name}"] += 1

    def bucket(self, number: int, transitions: Iterable[Transition]) -> None:
        """All transitions of a bucket that may concern an alert, in order."""
        before, after = self.desk.cursors.get(number, (0, 0))
        known = Known()
        for t in transitions:
            if t.seq > after:
                self.report.left_out["transitions that the alert desk has not decided about"] += 1
            else:
                self._transition(t, known, surely=t.seq <= before)
        if before == after:
            self._open(known)

    def _transition(self, t: Transition, known: Known, *, surely: bool) -> None:
        entered: Cause = (t.what, t.name)
        possible = [rules.get(entered) for version, rules in self.rules.items() if version >= t.rules]
        rule = None if t.change == "left" else next((each for each in possible if each), None)
        if rule is None:
            decide([t], known, {}, NOTHING_STALE)
            return
        self.report.compared["transitions that concern an alert"] += 1
        allowed = self._allowed(t, entered, rule, known)
        outcome = self._outcome(t, entered, rule, known, allowed)
        if outcome is None and any(each is None or each.policy != rule.policy for each in possible):
            self.report.left_out["transitions that an alert rule of some version concerns and of another does not"] += 1
        elif outcome is None and surely and self.ledger_whole:
            self._wrong(t, rule, "no alert and no refusal", "one of them")
        elif outcome is not None and outcome not in allowed:
            self._wrong(t, rule, outcome or "raised", " or ".join(each or "raised" for each in allowed))
        entering = outcome is not None and outcome not in ("stale", "below_line", "over_budget", *NEVER_SENT)
        decide([t], known, {entered: rule} if entering else {}, NOTHING_STALE)

    def _outcome(
        self, t: Transition, entered: Cause, rule: AlertRule, known: Known, allowed: Sequence[str]
    ) -> str | None:
        """What became of it: "" for an alert, the reason of a refusal, None if there is no trace."""
        name = alert_id(t.profile, *entered, t.at)
        if name in self.desk.alerts and name not in known.raised:
            self.explained.add(name)
            return ""
        key = t.profile, rule.policy, " ".join(entered)
        reasons = self._refusals.get(key, [])
        while reasons and reasons[-1] not in allowed and self._taken_back[key]:
            reasons.pop()
            self._taken_back[key] -= 1
        return reasons.pop() if reasons else None

    def _allowed(self, t: Transition, entered: Cause, rule: AlertRule, known: Known) -> list[str]:
        """Every outcome that the gates may have had."""
        if t.origin not in MAY_SEND:
            return [t.origin]
        if t.clock - t.at > self.stale_after:
            return ["stale"]
        late = ["stale"] if not self.replay and self.desk.now - t.at > self.stale_after else []
        if alert_id(t.profile, *entered, t.at) in known.raised:
            return [*late, "already_raised"]
        if (rule.policy, t.profile) in known.of_policy:
            return [*late, "episode_open"]
        # Which of the buckets came first on a day, and whether there was a budget then, only the ledger tells.
        return [*late, "", *(("below_line" if t.below else "over_budget",) if rule.policy in RANKED else ())]

    def _open(self, known: Known) -> None:
        """Episodes that no transition has ended are open; all others are over."""
        for name, episode in known.episodes.items():
            stored = self.desk.alerts.get(name)
            if stored is not None and stored.state == "resolved":
                self.report.differs(
                    "alert", episode.alert.profile, f"{episode.alert.policy} {name}", "resolved", "open"
                )
        for name in known.raised - known.episodes.keys():
            stored = self.desk.alerts.get(name)
            if stored is not None and stored.state != "resolved":
                self.report.differs("alert", stored.profile, f"{stored.policy} {name}", stored.state, "resolved")

    def _wrong(self, t: Transition, rule: AlertRule, stored: str, expected: str) -> None:
        what = f"{rule.policy}: {t.what} {t.name} at {t.at} (number {t.seq} of bucket {t.bucket})"
        self.report.differs("alert", t.profile, what, stored, expected)

    def rest(self) -> None:
        """What no transition explains, and what was said or sent more than once; call it after all buckets."""
        desk, report = self.desk, self.report
        report.compared["alerts"] += len(desk.alerts)
        report.compared["lines of the ledger"] += len(desk.ledger)
        moving = any(before != after for before, after in desk.cursors.values())
        for name in sorted(desk.alerts.keys() - self.explained) if not moving else ():
            one = desk.alerts[name]
            report.differs("alert", one.profile, f"{one.policy} {name}", "raised", "no transition asks for it")
        for (profile, policy, detail), reasons in self._refusals.items() if not moving else ():
            back = min(len(reasons), self._taken_back[profile, policy, detail])
            report.left_out["refusals of what was taken back when an older Redis came back"] += back
            if many := len(reasons) - back:
                report.differs("alert", profile, f"{policy}: {detail}", f"{many} refusals too many", "none")
        for name, times in Counter(desk.raised).items():
            if times > 1:
                report.differs("alert", name, "raised on the feed", f"{times} times", "once")
        sent = Counter(line.delivery for line in desk.ledger if line.outcome in SENT and line.delivery)
        report.compared["deliveries that arrived"] += len(sent)
        for delivery, times in sent.items():
            if times > 1:
                report.differs("delivery", delivery, "sent", f"{times} times", "once")
        if not moving:
            self._numbers()
        if not self.ledger_whole:
            report.left_out["lines that the ledger no longer keeps"] += 1

    def _numbers(self) -> None:
        """Each raising counted one: more than there are alerts means that one was raised twice, or has expired."""
        raised, kept = self.desk.counts.get("raised", 0), len(self.desk.alerts)
        oldest = min((one.at for one in self.desk.alerts.values()), default=self.desk.now)
        if raised > kept and (self.desk.forgets or self.desk.now - oldest > KEPT):
            self.report.left_out["alerts that are no longer kept"] += raised - kept
        elif raised != kept:
            self.report.differs("alert", "the alert desk", "alerts raised", raised, kept)
