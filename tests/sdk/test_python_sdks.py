"""The Python SDKs as shops use them, against the real collector: what they send is what intake reads."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.sdk.collecting import Collecting, collecting, looks_right


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collecting]:
    with collecting(tmp_path_factory.mktemp("sdk")) as opened:
        yield opened


@pytest.mark.parametrize("app", ["segment", "rudder", "sensors", "posthog", "cloudevents"])
def test_what_an_sdk_sends_is_a_customers_journey(door: Collecting, app: str) -> None:
    assert door.run(app, f"u-{app}") == ""
    events = door.events(f"u-{app}")
    looks_right(events)
    assert len(events) == 6, "each arrived once"
    assert door.reasons() == []
