"""From an SDK in somebody's app to the profile a clerk reads: a whole stack."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.stacks import Stack, stack
from tests.processes import eventually
from tests.sdk.collecting import APPS, finished
from tests.sdk.nodes import installed, without_node

DONE = {"orders": 1.0, "revenue": 512.4, "refunds": 1.0, "views_30d": 2.0}


def counted(shop: Stack, who: str) -> dict[str, Any]:
    """Of the features, those a journey moves."""
    features = (shop.profile(who) or {}).get("features", {})
    return {name: features.get(name) for name in DONE}


def test_a_journey_sent_by_python_sdks_is_a_profile(tmp_path: Path) -> None:
    """Twice by each way, under the same ids and others: what is the same is counted once."""
    with stack(tmp_path) as shop:
        for app in ("segment", "sensors"):
            ran = [sys.executable, str(APPS / f"send_{app}.py"), shop.running.url, shop.running.key, f"u-{app}", "3"]
            assert finished(ran) == ""
            eventually(lambda who=f"u-{app}": counted(shop, who) == DONE, f"{app}: {counted(shop, f'u-{app}')}")  # type: ignore[misc]
            view = shop.profile(f"u-{app}")
            assert view is not None
            assert view["traits"] == {"city": "上海", "age": 29}
            assert [each["name"] for each in view["interests"]["category"]] == ["咖啡"]
        with shop.away("broker"):
            assert shop.profile("u-segment") is not None, "who reads never notices that Kafka is away"


@pytest.mark.skipif(without_node(), reason="node and npm are not there to run Node SDKs with")
def test_a_journey_sent_by_a_node_sdk_is_a_profile(tmp_path: Path) -> None:
    packages = installed()
    node = shutil.which("node") or ""
    with stack(tmp_path) as shop:
        ran = [node, "segment.mjs", shop.running.url, shop.running.key, "u-node"]
        assert finished(ran, cwd=packages) == ""
        eventually(lambda: counted(shop, "u-node") == DONE, f"{counted(shop, 'u-node')}")
