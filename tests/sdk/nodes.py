"""The Node SDKs, installed for tests."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from tests.sdk.collecting import finished

SCRIPTS: Final = Path(__file__).with_name("node")
INSTALLED: Final = Path(__file__).parents[2] / ".mien" / "sdk"  #: kept between runs


def without_node() -> bool:
    """Whether nothing for Node can run here."""
    return not (shutil.which("node") and shutil.which("npm"))


def installed() -> Path:
    """A folder with the SDKs, and our scripts beside them, where node looks for packages."""
    INSTALLED.mkdir(parents=True, exist_ok=True)
    for file in SCRIPTS.iterdir():
        shutil.copy(file, INSTALLED)
    npm = shutil.which("npm") or ""
    finished([npm, "install", "--no-audit", "--no-fund", "--prefer-offline", "--ignore-scripts"], 300, INSTALLED)
    return INSTALLED
