"""The SDKs when something is wrong: they wait, try again or say so as they document, and nothing is counted twice."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator

import pytest

from tests.processes import eventually
from tests.sdk.collecting import JOURNEY, KEY, Collecting, collecting, journey

APPS = ["segment", "rudder", "sensors", "posthog"]
TRY_AGAIN = ["segment", "rudder", "posthog"]  #: 神策's SDK never does; it raises, and says so in its documentation


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collecting]:
    with collecting(tmp_path_factory.mktemp("faults")) as opened:
        yield opened


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collecting]:
    """A collector that takes little at once, and little in a second."""
    with collecting(tmp_path_factory.mktemp("narrow"), collect_bytes=20_000, collect_per_second=3) as opened:
        yield opened


def answered(door: Collecting, route: str, status_class: str) -> float:
    """How often a route was answered so."""
    wanted = f'http_request_duration_seconds_count{{method="POST",route="{route}",status_class="{status_class}"}} '
    told = door.get("/metrics").text.splitlines()
    return sum(float(line.removeprefix(wanted)) for line in told if line.startswith(wanted))


ROUTES = {"segment": "/v1/batch", "rudder": "/v1/batch", "posthog": "/batch/", "sensors": "/sa"}


@pytest.mark.parametrize("app", APPS)
def test_a_request_that_is_too_large_is_reported_and_dropped(
    tmp_path_factory: pytest.TempPathFactory, app: str
) -> None:
    with collecting(tmp_path_factory.mktemp(app), collect_bytes=1024) as door:
        assert "failed" in door.run(app, f"u-{app}")
        assert answered(door, ROUTES[app], "4xx") == 1, "an SDK that is told 413 does not try the same again"
        assert door.events(f"u-{app}") == []


@pytest.mark.parametrize("app", APPS)
def test_who_sends_too_much_is_asked_to_wait_and_does(narrow: Collecting, app: str) -> None:
    before = answered(narrow, ROUTES[app], "4xx")
    spending = {"batch": [{"type": "page", "userId": "u-other"}] * 15}
    eventually(lambda: narrow.post("/v1/batch", json=spending, auth=(KEY, "")).status_code == 200, "all is spent")
    said = narrow.run(app, f"u-{app}", retries=10)
    assert answered(narrow, ROUTES[app], "4xx") > before, "somebody was asked to wait"
    if app in TRY_AGAIN:
        assert said == ""
        assert journey(narrow.events(f"u-{app}")) == JOURNEY
    else:
        assert "failed" in said
        assert narrow.events(f"u-{app}") == []


@pytest.mark.parametrize("app", APPS)
def test_while_kafka_is_away_events_are_sent_again_and_count_once(door: Collecting, app: str) -> None:
    """The frozen broker takes what it was given, so much of it arrives twice; by its ids it is one."""
    before = answered(door, ROUTES[app], "5xx")
    said: list[str] = []
    for child in door.broker.children:
        child.signal(signal.SIGSTOP)
    try:
        sending = threading.Thread(target=lambda: said.append(door.run(app, f"u-{app}", retries=10)))
        sending.start()
        eventually(lambda: answered(door, ROUTES[app], "5xx") > before, "the app is told 503", seconds=60)
    finally:
        for child in door.broker.children:
            child.signal(signal.SIGCONT)
    sending.join(60)
    assert len(said) == 1, "the app came to its end"
    assert ("failed" in said[0]) == (app not in TRY_AGAIN)
    if app in TRY_AGAIN:
        assert journey(door.events(f"u-{app}")) == JOURNEY


@pytest.mark.parametrize("app", APPS)
def test_a_server_that_is_not_there_is_reported(door: Collecting, app: str) -> None:
    """And once it is back the same customer's next journey is the only one."""
    door.stop()
    try:
        assert "failed" in door.run(app, f"u-again-{app}")
    finally:
        door.start()
    assert door.run(app, f"u-again-{app}") == ""
    assert journey(door.events(f"u-again-{app}")) == JOURNEY
