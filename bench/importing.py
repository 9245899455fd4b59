"""How quickly history comes in, in how much memory, and whether importing it twice changes anything.

``python -m bench.importing [ROWS]`` (1 000 000): a CSV of orders goes through ``mien import`` into a stack of its own; then once
more under another name.  Memory is that of the importing processes together, at each quarter of the way: flat is what it
should be.  Worker, broker and store share the machine, so rows a second are those of a busy one.
"""

from __future__ import annotations

import csv
import hashlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from profiles.codec import from_blobs
from profiles.layout import TABLES
from profiles.settings import as_environ
from profiles.store import keys
from tests.e2e.stacks import Stack, stack
from tests.processes import eventually

CUSTOMERS = 50_000
BAR = 20_000  #: rows a second
AT_ONCE = 1000  #: customers
GROWTH = 1.25  #: most that memory may grow by from the first quarter of the way to the last


def orders(path: Path, rows: int) -> None:
    """A file as a shop exports it: Chinese headers, ¥, thousands, local times."""
    with path.open("w", encoding="utf-8-sig", newline="") as stream:
        out = csv.writer(stream)
        out.writerow(["会员号", "下单时间", "订单号", "实付金额", "商品编号", "类目"])
        for i in range(rows):
            day, hour = i // 50 % 28 + 1, i % 24
            when = f"2025/{i // 90_000 % 12 + 1}/{day} {hour}:{i % 60:02d}:{i // 60 % 60:02d}"
            out.writerow(
                [f"c-{i * 7919 % CUSTOMERS}", when, f"o{i}", f"￥1,{i % 900 + 100}.50", f"p{i % 997}", f"k{i % 31}"]
            )


def command(shop: Stack, folder: Path, path: Path) -> subprocess.Popen[str]:
    environ = {**os.environ, **as_environ(shop.running.settings), "MIEN_DATA_DIR": str(folder)}
    line = [sys.executable, "-m", "streams.cli", "import", str(path)]
    return subprocess.Popen(line, env=environ, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def imported(shop: Stack, folder: Path, path: Path) -> tuple[float, list[int], str]:
    """Seconds, bytes of memory as time went by, and what was said at the end."""
    started, sizes = time.perf_counter(), []
    running = command(shop, folder, path)
    process = psutil.Process(running.pid)
    while running.poll() is None:
        try:
            family = [process, *process.children(recursive=True)]
            sizes.append(sum(each.memory_info().rss for each in family))
        except psutil.NoSuchProcess:
            break
        time.sleep(0.2)
    said, _ = running.communicate()
    assert running.returncode == 0, said
    return time.perf_counter() - started, sizes, said


def state(shop: Stack) -> str:
    """What is counted of every customer, as one hash; what is decided of them may change while time goes by."""
    found = hashlib.sha256()
    for bucket in shop.buckets:
        names = sorted(shop.redis.zrange(keys.due(bucket), 0, -1))
        for start in range(0, len(names), AT_ONCE):
            some = [name.decode() for name in names[start : start + AT_ONCE]]
            blobs = shop.redis.mget([keys.profile(bucket, name) for name in some])
            found.update(repr(some).encode() + from_blobs(blobs, {})[:, : TABLES.facts].tobytes())
    return found.hexdigest()


def main(rows: int) -> int:
    """0 if every bar was reached."""
    with tempfile.TemporaryDirectory() as name, stack(Path(name) / "stack", tags=None) as shop:
        folder, path = Path(name), Path(name) / "orders.csv"
        orders(path, rows)
        took, sizes, said = imported(shop, folder, path)
        print(said.strip())
        quarters = [max(sizes[len(sizes) * n // 4 : len(sizes) * (n + 1) // 4] or [0]) for n in range(4)]
        print(
            f"{rows:,} rows of {path.stat().st_size / 1e6:.0f} MB in {took:.1f} s: {rows / took:,.0f} rows/s (bar {BAR:,})"
        )
        print("memory at each quarter, MB: " + ", ".join(f"{size / 1e6:.0f}" for size in quarters))
        started = time.perf_counter()
        eventually(lambda: sum(shop.counted()) >= rows, "every row is applied", seconds=600 + rows / 500)
        print(f"applied {time.perf_counter() - started:.0f} s later")
        once, counted = state(shop), shop.counted()
        path.rename(renamed := path.with_name("renamed.csv"))
        again, _, said = imported(shop, folder, renamed)
        print(f"again: {said.strip()} ({again:.1f} s)")
        time.sleep(3)  # whatever comes too much would come now
        same = (state(shop), shop.counted()) == (once, counted)
        print(f"twice gives {'identical' if same else 'ANOTHER'} state: {counted[0]:,} applied, {counted[1]:,} repeats")
        return 0 if same and rows / took >= BAR and quarters[3] <= GROWTH * quarters[0] else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000))
