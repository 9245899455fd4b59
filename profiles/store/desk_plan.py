"""From decisions to the operations of one atomic commit.

Knows: which keys, fields and deliveries each decision touches.
Must not know: why it was decided, how a commit is guarded (``desk.lua`` carries the plan out).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from profiles.alerts import Alert, Cause, Decision, Hold, Raise, Refuse, Resolve, event_type
from profiles.clock import Millis
from profiles.deliveries import Delivery, Lane, Verb, delivery_id, lane_id
from profiles.store import keys
from profiles.store.desk_rows import as_json, counter, flat, line, line_about

Operation = dict[str, Any]


class Plan:
    """Operations in the order of the decisions; they name keys by their place in ``KEYS``."""

    def __init__(
        self, deliveries: dict[str, tuple[str, ...]], lanes: Sequence[Lane], now: Millis, *, first_key: int
    ) -> None:
        """``deliveries``: those made earlier for alerts that may end now; ``first_key``: place of the first of ours."""
        self.operations: list[Operation] = []
        self._made = dict(deliveries)
        self._lanes = tuple(lanes)
        self._now = now
        self._first = first_key
        self._places: dict[str, int] = {}

    @property
    def keys(self) -> list[str]:
        """Every key that the operations name, from ``first_key`` on."""
        return list(self._places)

    def add(self, decision: Decision) -> None:
        """Plan one decision."""
        match decision:
            case Raise(alert):
                self.operations.append(self._raise(alert))
            case Refuse():
                self.operations.append(self._refuse(decision))
            case Hold():
                self.operations.append(self._hold(decision))
            case Resolve():
                self.operations.extend(self._resolve(decision))

    def _place(self, key: str) -> int:
        return self._places.setdefault(key, self._first + len(self._places))

    def _raise(self, alert: Alert) -> Operation:
        made = [self._delivery(alert, lane, "raised") for lane in self._lanes]
        self._made[alert.id] = tuple(one.id for one in made)
        return {
            "op": "raise",
            "id": alert.id,
            "key": self._place(keys.alert(alert.id)),
            "alert": as_json(alert),
            "type": event_type(alert.policy, "raised"),
            "stake": alert.stake or 0,
            "causes": as_json([(alert.what, alert.name)]),
            "cause": _cause((alert.what, alert.name), alert.profile),
            "open": _open(alert),
            "delivery_ids": " ".join(self._made[alert.id]),
            "deliveries": [self._queued(one) for one in made],
        }

    def _refuse(self, refused: Refuse) -> Operation:
        about = {"alert": refused.alert, "profile": refused.profile, "policy": refused.policy}
        said = line(self._now, "refused", refused.reason, detail=" ".join(refused.cause), **about)
        return {"op": "note", "line": said, "counter": counter("refused", refused.reason)}

    def _hold(self, held: Hold) -> Operation:
        operation: Operation = {
            "op": "hold",
            "id": held.alert,
            "key": self._place(keys.alert(held.alert)),
            "causes": as_json(held.causes),
        }
        if held.came:
            operation["came"] = _cause(held.came, held.profile)
        if held.left:
            operation["left"] = _cause(held.left, held.profile)
        return operation

    def _resolve(self, over: Resolve) -> list[Operation]:
        alert = over.alert
        resolve = {
            "op": "resolve",
            "id": alert.id,
            "key": self._place(keys.alert(alert.id)),
            "at": str(alert.resolved_at),
            "alert": as_json(alert),
            "type": event_type(alert.policy, "resolved"),
            "cause": _cause(over.last, alert.profile),
            "open": _open(alert),
            "deliveries": [self._winding_up(alert, one, over.unsent) for one in self._made[alert.id]],
        }
        if not over.unsent:
            return [resolve]
        about = {"alert": alert.id, "profile": alert.profile, "policy": alert.policy}
        said = line(self._now, "refused", over.unsent, detail="resolved", **about)
        return [resolve, {"op": "note", "line": said, "counter": counter("refused", over.unsent)}]

    def _winding_up(self, alert: Alert, name: str, unsent: str) -> Operation:
        """What becomes of a delivery of an alert that has ended, and the news of its end that may follow it."""
        lane = next((one for one in self._lanes if one.id == lane_id(name)), Lane(lane_id(name)))
        begun = self._delivery(alert, lane, "raised")
        withdrawn = line_about(begun, self._now, "withdrawn", "already_recovered")
        operation: Operation = {
            "id": name,
            "key": self._place(keys.delivery(name)),
            "queue": self._place(keys.due_deliveries(lane.id)),
            "withdrawn": withdrawn,
            "counter": counter("withdrawn", "already_recovered", lane.channel),
        }
        if lane.url and not unsent:
            operation["ending"] = self._queued(self._delivery(alert, lane, "resolved"))
        return operation

    def _delivery(self, alert: Alert, lane: Lane, verb: Verb) -> Delivery:
        name = delivery_id(lane, alert.id, verb)
        return Delivery(name, lane, verb, alert.id, alert.profile, alert.policy, self._now)

    def _queued(self, one: Delivery) -> Operation:
        return {
            "id": one.id,
            "key": self._place(keys.delivery(one.id)),
            "queue": self._place(keys.due_deliveries(one.lane.id)),
            "lane": one.lane.id,
            "url": one.lane.url,
            "fields": flat(one),
        }


def _cause(cause: Cause, profile: str) -> str:
    return "|".join((*cause, profile))


def _open(alert: Alert) -> str:
    return f"{alert.policy}|{alert.profile}"
