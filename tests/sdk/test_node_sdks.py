"""The Node SDKs as shops use them, against the real collector; skipped where node or npm is missing."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sdk.collecting import KEY, Collecting, collecting, finished, looks_right
from tests.sdk.nodes import installed, without_node

pytestmark = pytest.mark.skipif(without_node(), reason="node and npm are not there to run Node SDKs with")


@pytest.fixture(scope="module")
def packages() -> Path:
    return installed()


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collecting]:
    with collecting(tmp_path_factory.mktemp("sdk")) as opened:
        yield opened


@pytest.mark.parametrize("app", ["segment", "rudder", "sensors", "posthog", "jitsu"])
def test_what_an_sdk_sends_is_a_customers_journey(door: Collecting, packages: Path, app: str) -> None:
    who = f"u-node-{app}"
    assert "failed" not in finished([shutil.which("node") or "", f"{app}.mjs", door.url, KEY, who], cwd=packages)
    events = door.events(who)
    looks_right(events)
    assert len(events) == 6, "each arrived once"
    assert door.reasons() == []
