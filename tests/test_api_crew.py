"""Several processes that serve one port: they answer alike, count together, and end together."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from profiles.settings import Settings, as_environ
from streams.ports import pick_port
from tests.api_shop import Shop, order, page
from tests.processes import eventually, running

HERE = Path(__file__).parent.parent
PROCESSES = 2


@pytest.fixture
def shop(redis_url: str) -> Iterator[Shop]:
    with Shop(redis_url) as opened:
        yield opened.open()


@dataclass
class Crew:
    """An API of several processes."""

    parent: subprocess.Popen[bytes]
    log: Path
    url: str
    headers: dict[str, str]

    @property
    def members(self) -> list[int]:
        """Those that have said that they serve."""
        told = [
            json.loads(line) for line in self.log.read_text(encoding="utf-8").splitlines(keepends=True) if "\n" in line
        ]
        return [each["process"] for each in told if each["event"] == "serving"]

    def ready(self) -> bool:
        """What one of them says of itself."""
        return httpx.get(f"{self.url}/v1/tags", headers=self.headers, trust_env=False, timeout=20).is_success

    def get(self, path: str) -> httpx.Response:
        """Over a connection of its own, so any of them may answer."""
        return httpx.get(f"{self.url}{path}", headers=self.headers, trust_env=False, timeout=20).raise_for_status()


def command(settings: Settings, log: Path) -> subprocess.Popen[bytes]:
    env = {**os.environ, **as_environ(settings)}
    with log.open("wb") as said:
        return subprocess.Popen([sys.executable, "-m", "api"], cwd=HERE, env=env, stderr=said)


@contextmanager
def crew_of(shop: Shop, log: Path) -> Iterator[Crew]:
    port = pick_port(0, "127.0.0.1")[0]
    settings = shop.settings.model_copy(update={"api_port": port, "api_workers": PROCESSES, "log_format": "json"})
    headers = {"Authorization": f"Bearer {shop.key('read', 'alerts')}"}
    crew = Crew(command(settings, log), log, f"http://127.0.0.1:{port}", headers)
    try:
        eventually(lambda: len(crew.members) == PROCESSES, "every process serves", seconds=300)
        eventually(lambda: all(crew.ready() for _ in range(10 * PROCESSES)), "every process is warm", seconds=300)
        yield crew
    finally:
        crew.parent.kill()
        crew.parent.wait(20)
        gone = "they noticed that their parent is gone"
        eventually(lambda: not any(map(running, crew.members)), gone, seconds=30)


@pytest.fixture
def crew(shop: Shop, tmp_path: Path) -> Iterator[Crew]:
    with crew_of(shop, tmp_path / "api.log") as serving:
        yield serving


def test_whichever_process_answers_it_says_the_same_and_the_numbers_are_those_of_all(shop: Shop, crew: Crew) -> None:
    shop.tell(page("u-1"), order("u-1", "o-1", 20))

    found = [crew.get("/v1/profiles/u-1").json() for _ in range(30)]

    assert {(each["id"], each["version"], each["features"]["orders"]) for each in found} == {("u-1", 2, 1)}
    counted = 'http_request_duration_seconds_count{method="GET",route="/v1/profiles/{profile}",status_class="2xx"} 30.0'
    for _ in range(10):
        assert counted in crew.get("/metrics").text


def test_live_streams_are_told_whichever_process_took_them(shop: Shop, crew: Crew) -> None:
    shop.tell(page("u-1"))
    with ExitStack() as held:
        streams = []
        for _ in range(12):
            client = held.enter_context(httpx.Client(base_url=crew.url, headers=crew.headers, trust_env=False))
            stream = held.enter_context(client.stream("GET", "/v1/stream/profiles/u-1", timeout=30))
            streams.append(stream.raise_for_status().iter_lines())
        for lines in streams:
            assert '"version":1' in next(line for line in lines if line.startswith("data:"))
        open_streams = crew.get("/metrics").text
        assert re.search(r'mien_sse_clients\{stream="profile"\} 12\.0', open_streams)

        shop.tell(page("u-1"))

        for lines in streams:
            assert '"version":2' in next(line for line in lines if line.startswith("data:") and '"features"' in line)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_asked_to_stop_all_stop_and_that_is_no_fault(crew: Crew, number: signal.Signals) -> None:
    before = crew.log.read_text(encoding="utf-8")

    crew.parent.send_signal(number)

    assert crew.parent.wait(30) == 0
    assert not any(map(running, crew.members))
    assert crew.log.read_text(encoding="utf-8") == before


def test_if_one_is_killed_all_end_so_that_somebody_starts_them_anew(crew: Crew) -> None:
    os.kill(crew.members[0], signal.SIGKILL)

    assert crew.parent.wait(30) != 0
    assert not any(map(running, crew.members))


def test_nobody_serves_on_when_the_one_who_started_them_was_killed(crew: Crew) -> None:
    crew.parent.kill()
    crew.parent.wait(20)

    eventually(lambda: not any(map(running, crew.members)), "all have ended", seconds=30)


def test_a_port_that_is_another_s_is_not_shared(shop: Shop, crew: Crew, tmp_path: Path) -> None:
    port = int(crew.url.rpartition(":")[2])

    log = tmp_path / "other.log"
    other = command(shop.settings.model_copy(update={"api_port": port, "api_workers": PROCESSES}), log)

    assert other.wait(60) == 78
    assert "MIEN_API_PORT" in log.read_text(encoding="utf-8")
