"""The Node SDKs as shops use them, against the real collector; skipped where node or npm is missing."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.sdk.collecting import KEY, Collecting, collecting, finished, looks_right

SCRIPTS: Final = Path(__file__).with_name("node")
INSTALLED: Final = Path(__file__).parents[2] / ".mien" / "sdk"  #: kept between runs

pytestmark = pytest.mark.skipif(
    not (shutil.which("node") and shutil.which("npm")), reason="node and npm are not there to run Node SDKs with"
)


@pytest.fixture(scope="module")
def packages() -> Path:
    """The SDKs, installed once; the scripts beside them, where node looks for packages."""
    INSTALLED.mkdir(parents=True, exist_ok=True)
    for file in SCRIPTS.iterdir():
        shutil.copy(file, INSTALLED)
    npm = shutil.which("npm")
    assert npm is not None
    finished([npm, "install", "--no-audit", "--no-fund", "--prefer-offline", "--ignore-scripts"], 300, INSTALLED)
    return INSTALLED


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collecting]:
    with collecting(tmp_path_factory.mktemp("sdk")) as opened:
        yield opened


@pytest.mark.parametrize("app", ["segment", "rudder", "sensors", "posthog", "jitsu"])
def test_what_an_sdk_sends_is_a_customers_journey(door: Collecting, packages: Path, app: str) -> None:
    who = f"u-node-{app}"
    node = shutil.which("node")
    assert node is not None
    assert "failed" not in finished([node, f"{app}.mjs", door.url, KEY, who], cwd=packages)
    events = door.events(who)
    looks_right(events)
    assert len(events) == 6, "each arrived once"
    assert door.reasons() == []
