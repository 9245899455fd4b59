"""Compiled kernels do what they say in Python: the same shop, lived through without a compiler, is the same bytes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.laws.twin import digest

ROOT = Path(__file__).parent.parent.parent


def test_compiled_kernels_equal_their_slow_twin() -> None:
    env = {**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"}
    slow = subprocess.run(
        [sys.executable, "-m", "tests.laws.twin"],
        env=env,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert slow.returncode == 0, slow.stderr[-2000:]
    assert slow.stdout == digest()
