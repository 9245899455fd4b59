"""What was answered is in Kafka, whatever happens to the collector right after."""

from __future__ import annotations

import threading
from pathlib import Path

import httpx
import msgspec

from streams.topics import USUAL_EVENTS
from tests.processes import eventually
from tests.sdk.collecting import KEY, collecting

ROUNDS = 3
SENDERS = 6
BATCH = 20


def test_no_answered_event_is_lost_when_the_collector_is_killed(tmp_path: Path) -> None:
    answered: set[str] = set()
    with collecting(tmp_path) as door:
        for number in range(ROUNDS):
            goal = len(answered) + 300

            def send(sender: int, number: int = number) -> None:
                with httpx.Client(base_url=door.url, auth=(KEY, ""), trust_env=False) as http:
                    for turn in range(100_000):
                        ids = [f"{number}-{sender}-{turn}-{i}" for i in range(BATCH)]
                        body = {"batch": [{"type": "page", "userId": f"u-{sender}", "messageId": each} for each in ids]}
                        try:
                            http.post("/v1/batch", json=body).raise_for_status()
                        except httpx.TransportError:
                            return
                        answered.update(ids)

            senders = [threading.Thread(target=send, args=[sender]) for sender in range(SENDERS)]
            for each in senders:
                each.start()
            eventually(lambda goal=goal: len(answered) >= goal, "events are taken", seconds=60)  # type: ignore[misc]
            door.stop()
            for each in senders:
                each.join(30)
            door.start()
        stored = {msgspec.json.decode(record.value)["messageId"] for record in door.records(*USUAL_EVENTS)}
    assert len(answered) >= 300 * ROUNDS
    assert answered - stored == set()
