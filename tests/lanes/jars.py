"""Apache Kafka's jars: brought from Maven Central once, kept in ``.mien``, used without a network afterwards.

Knows: Java, Maven, where the jars are kept.
Must not know: how a broker is set up.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.lanes.stores import cannot

ROOT: Final = Path(__file__).parents[2]
POM: Final = Path(__file__).with_name("pom.xml")
OLDEST_JAVA: Final = 17  #: of a broker since Kafka 4.0
FETCH_SECONDS: Final = 600


def version() -> str:
    """The pinned version of Apache Kafka."""
    found = re.search(r"<kafka.version>(.+)</kafka.version>", POM.read_text(encoding="utf-8"))
    assert found, f"{POM} names no kafka.version"
    return found[1]


def java() -> str:
    """The Java that can run a broker; without one this lane cannot run."""
    program = shutil.which("java")
    if program is None:
        cannot(f"Apache Kafka needs Java {OLDEST_JAVA} or newer on the PATH: apt-get install default-jre-headless")
    said = subprocess.run([program, "-version"], capture_output=True, text=True, timeout=60, check=True).stderr
    found = re.search(r'version "(\d+)', said)
    if found is None or int(found[1]) < OLDEST_JAVA:
        cannot(f"Apache Kafka needs Java {OLDEST_JAVA} or newer, and this is {said.splitlines()[0]}")
    return program


def classpath() -> str:
    """What Java calls a class path: all jars of the broker.  They are fetched first if they are not there yet."""
    home = ROOT / ".mien" / "kafka" / version()
    libs = home / "libs"
    if not libs.is_dir():
        home.mkdir(parents=True, exist_ok=True)
        with _alone(home / "lock"):
            if not libs.is_dir():  # nobody else brought them meanwhile
                _fetch(home, libs)
    return f"{libs}/*"


def _fetch(home: Path, libs: Path) -> None:
    """All or nothing: the folder gets its name when it is complete."""
    maven = shutil.which("mvn")
    if maven is None:
        cannot("Apache Kafka's jars are brought by Maven, and no mvn is on the PATH: apt-get install maven")
    new, repository = home / "new", home / "repository"
    shutil.rmtree(new, ignore_errors=True)
    command = [
        maven, "--batch-mode", "--quiet", "--strict-checksums", f"--file={POM}",
        f"-Dmaven.repo.local={repository}",  # nothing is written to your home
        f"-DoutputDirectory={new}", "-DincludeScope=runtime", "dependency:copy-dependencies",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=home, capture_output=True, text=True, timeout=FETCH_SECONDS, check=False)
    if done.returncode:
        cannot(f"Maven could not bring Apache Kafka {version()}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    new.replace(libs)
    shutil.rmtree(repository)  # three times the size of the jars, and not needed again


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Two test runs in one tree fetch one after the other."""
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
    finally:
        os.close(file)
