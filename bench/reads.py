"""Reading profiles over HTTP, with load generators that we did not write.

Knows: how ``hey`` and ``wrk`` are called and what they print.  Must not know: how a profile is read.
``hey`` asks at a fixed rate, several of it for several customers; ``wrk`` asks for many customers as fast as it goes.
Debian has both: ``apt-get install wrk hey``.  The server's own view is its histogram at ``/metrics``.
"""

from __future__ import annotations

import asyncio
import csv
import re
import shutil
import subprocess
import time
from itertools import pairwise
from typing import Final

import numpy as np
import psutil

from bench.data import DAY, Shop
from bench.filling import filled, models
from bench.options import Options
from bench.progress import say
from bench.report import Part, Table, figure
from bench.servers import Missing, Stack, brokers, stack
from bench.watch import Stuck, cpu_of, processes_of
from profiles.clock import system_clock
from streams.child import Child

TITLE: Final = "Reading profiles"
RATE: Final = 1_000  #: requests a second
ASKERS: Final = 4  #: customers asked for at the fixed rate, by one hey each
CONNECTIONS: Final = 5  #: of each
PROCESSES: Final = (1, 2)  #: of the API
ROUTE: Final = (
    'http_request_duration_seconds_bucket{le="([^"]+)",method="GET",route="/v1/profiles/{profile}"[^}]*} (\\S+)'
)
LUA: Final = """\
math.randomseed(7)
request = function() return wrk.format("GET", string.format("/v1/profiles/c-%07d", math.random(0, {customers} - 1))) end
"""


def run(options: Options) -> Part:
    """A filled store, an API, two generators."""
    part, customers, seconds = Part("reads", TITLE), options.size(100_000, 5_000), options.size(10, 5)
    if shutil.which("hey") is None and shutil.which("wrk") is None:
        raise Missing("neither hey nor wrk is on the PATH: apt-get install wrk hey")
    kinds, _ = brokers(options.brokers)
    for processes in PROCESSES:
        with stack(kinds[-1], api_workers=processes) as here:
            asyncio.run(_fill(here, customers))
            here.worker()
            here.api()
            here.until_ready()
            _all_listen(here, processes)
            part.tables.append(_steady(here, part, customers, seconds))
            part.tables += _fast(here, part, customers, seconds)
            with here.http() as http:
                size = len(http.get(f"/v1/profiles/{Shop(customers, 0, DAY).name(1)}").raise_for_status().content)
    part.notes.append(
        f"an answer has {size:,} bytes: every feature, every tag with its reasons; no cache answers for it"
    )
    return part


def _all_listen(here: Stack, processes: int) -> None:
    """Wait for the last process: connections are shared out when they are made, and kept."""
    deadline = time.monotonic() + 60
    while sum(_listens(each) for each in _family(here)) < processes:
        if time.monotonic() > deadline:
            raise Stuck(f"not all of {processes} API processes listen after 60 s")
        time.sleep(0.1)


def _family(here: Stack) -> list[psutil.Process]:
    """Every process of the API."""
    return [each for one in processes_of(here.place.pids("api")) for each in (one, *one.children())]


def _listens(process: psutil.Process) -> bool:
    return any(each.status == psutil.CONN_LISTEN for each in process.net_connections("tcp"))


async def _fill(here: Stack, customers: int) -> None:
    now = system_clock()
    await filled(here.settings.redis, customers, await models(now), now)


def _steady(here: Stack, part: Part, customers: int, seconds: int) -> Table:
    """At a fixed rate with hey."""
    table = Table(f"{RATE:,} requests/s for {seconds} s (hey), {customers:,} customers in the store, {_many(here)}",
                  ["seen from", "requests/s", "p50 (ms)", "p99 (ms)", "at most (ms)", "not answered with 200",
                   "API CPU µs/request"])  # fmt: skip
    hey = shutil.which("hey")
    if hey is None:
        part.notes.append("left out: reads at a fixed rate, because hey is not on the PATH (apt-get install hey)")
        return table
    api, before = _family(here), _histogram(here)
    cpu, begun = cpu_of(api), time.monotonic()
    shop, each = Shop(customers, 0, DAY), RATE // ASKERS // CONNECTIONS
    asking = [
        here.place.supervisor.start(
            f"hey-{n}",
            [hey, "-z", f"{seconds}s", "-c", str(CONNECTIONS), "-q", str(each), "-o", "csv",
             "-H", f"Authorization: Bearer {here.key}", f"{here.url}/v1/profiles/{shop.name(n)}"],
            log=here.place.folder / f"hey-{n}.csv",
        )
        for n in range(ASKERS)
    ]  # fmt: skip
    here.place.done |= {one.name for one in asking}  # they end by themselves
    took, bad = [], 0
    for one in asking:
        for row in csv.DictReader(_said(one, seconds + 60).splitlines()):
            took.append(float(row["response-time"]) * 1000)
            bad += row["status-code"] != "200"
    spent, cost = time.monotonic() - begun, (cpu_of(api) - cpu) / max(len(took), 1) * 1e6
    if not took:
        raise Stuck("hey printed no answers")
    p50, p99, most = np.percentile(took, [50, 99, 100]).tolist()
    after = {limit: n - before.get(limit, 0.0) for limit, n in _histogram(here).items()}
    own50, own99 = _quantile(after, 0.5), _quantile(after, 0.99)
    table.rows = [["the client", len(took) / spent, p50, p99, most, bad, None],
                  ["the server", len(took) / spent, own50, own99, None, None, cost]]  # fmt: skip
    if len(took) / spent < 0.95 * RATE:
        part.notes.append(f"{RATE:,} requests/s were asked for, {len(took) / spent:,.0f} answered: a core was missing")
    table.note = "The server's numbers are read off its histogram, straight lines between the limits of its buckets."
    found = {"client_p50": p50, "client_p99": p99, "server_p50": own50, "server_p99": own99}
    part.figures |= {f"reads.{name}{_mark(here)}": figure([value], "ms") for name, value in found.items()}
    say(
        f"    {len(took) / spent:,.0f}/s  client p50 {p50:.1f} p99 {p99:.1f} ms, server p50 {own50:.1f} p99 {own99:.1f} ms"
    )
    return table


def _said(child: Child, seconds: float) -> str:
    """All that a program has printed, once it has ended."""
    deadline = time.monotonic() + seconds
    while child.alive:
        if time.monotonic() > deadline:
            raise Stuck(f"{child.name} did not end in {seconds:.0f} s")
        time.sleep(0.05)
    return child.log.read_text(encoding="utf-8")


def _fast(here: Stack, part: Part, customers: int, seconds: int) -> list[Table]:
    """As fast as it goes with wrk."""
    wrk = shutil.which("wrk")
    if wrk is None:
        part.notes.append("left out: reads as fast as it goes, because wrk is not on the PATH (apt-get install wrk)")
        return []
    script = here.place.folder / "ask.lua"
    script.write_text(LUA.format(customers=customers), encoding="utf-8")
    title = f"As fast as it goes (wrk, one thread), any customer, {_many(here)}"
    table = Table(title, ["connections", "requests/s", "p50", "p99"])
    for connections in (1, 16):
        told = subprocess.run(
            [wrk, "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", str(script),
             "-H", f"Authorization: Bearer {here.key}", here.url],
            capture_output=True, text=True, check=True, timeout=seconds + 60,
        ).stdout  # fmt: skip
        rate = re.search(r"Requests/sec:\s+(\S+)", told)
        quantiles = dict(re.findall(r"(50|99)%\s+(\S+)", told))
        if rate is None or "Non-2xx" in told:
            raise Stuck(f"wrk did not get its answers:\n{told}")
        table.rows.append([connections, float(rate[1]), quantiles["50"], quantiles["99"]])
        part.figures[f"reads.per_second_{connections}{_mark(here)}"] = figure([float(rate[1])], "requests/s")
    return [table]


def _many(here: Stack) -> str:
    return "1 API process" if here.settings.api_workers == 1 else f"{here.settings.api_workers} API processes"


def _mark(here: Stack) -> str:
    """What tells figures of several processes from those of one."""
    return "" if here.settings.api_workers == 1 else f"_{here.settings.api_workers}_processes"


def _histogram(here: Stack) -> dict[float, float]:
    """Answers so far by upper limit of their duration in seconds."""
    with here.http() as http:
        text = http.get("/metrics").raise_for_status().text
    out: dict[float, float] = {}
    for limit, n in re.findall(ROUTE, text):
        out[float(limit)] = out.get(float(limit), 0.0) + float(n)
    return out


def _quantile(histogram: dict[float, float], q: float) -> float:
    """Milliseconds below which a share ``q`` of the answers was given."""
    limits = sorted(histogram)
    wanted = q * histogram[limits[-1]]
    for below, limit in pairwise([0.0, *limits]):
        low = histogram.get(below, 0.0)
        if histogram[limit] >= wanted and limit != float("inf"):
            return 1000 * (below + (limit - below) * (wanted - low) / max(histogram[limit] - low, 1.0))
    return float("nan")
