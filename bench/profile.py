"""Where the time of the update path goes: py-spy looks a few hundred times a second.

Knows: how py-spy is called and its folded stacks.  Must not know: the functions it finds.
Compiled kernels show as the Python line that calls them.  The flame graph shows everything; the list leaves out what
only prepares, and tells intake apart.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Final

from bench.options import Options
from bench.progress import say
from bench.report import Cell, Part, Table
from bench.servers import ROOT, Missing, place
from bench.watch import Stuck

TITLE: Final = "Where the time of the update path goes"
RATE: Final = 250  #: looks a second
LISTED: Final = 20
FOLDER: Final = ROOT / ".mien" / "bench"
PREPARING: Final = "models (bench/filling.py"  #: an update path too, but not the one that is measured
WITHIN: Final = {"update": "update (bench/fold.py", "intake": "intake (bench/fold.py"}


def run(options: Options) -> Part:
    """Record twice, once as folded stacks, once as a picture."""
    part = Part("profile", TITLE)
    spy = shutil.which("py-spy", path=str(Path(sys.executable).parent)) or shutil.which("py-spy")
    if spy is None:
        raise Missing("py-spy is not installed: it is in bench/requirements.lock")
    FOLDER.mkdir(parents=True, exist_ok=True)
    seconds, customers = options.size(20, 4), options.size(100_000, 5_000)
    folded, picture = FOLDER / "update.folded", FOLDER / "update.svg"
    for file, form in ((folded, "raw"), (picture, "flamegraph")):
        _record(spy, file, form, seconds, customers)
        say(f"    {file}")
    for name, mark in WITHIN.items():
        part.tables.append(_list(folded, name, mark))
    part.notes.append(f"flame graph {picture.relative_to(ROOT)}, stacks {folded.relative_to(ROOT)}")
    return part


def _record(spy: str, file: Path, form: str, seconds: int, customers: int) -> None:
    with place() as here:
        redis = here.valkey()
        command = [spy, "record", "--nonblocking", "--rate", str(RATE), "--format", form, "--output", str(file), "--",
                   sys.executable, "-m", "bench.programs.update_loop", redis, str(seconds), str(customers)]  # fmt: skip
        file.unlink(missing_ok=True)
        child = here.supervisor.start("py-spy", command, log=here.logs / "py-spy.log", env=here.env(), cwd=ROOT)
        here.done.add(child.name)  # it ends by itself
        while child.alive:
            if why := here.ended():
                raise Stuck(why)
            time.sleep(0.1)
        if child.code or not file.exists():
            raise Stuck(f"py-spy {child.state} and recorded nothing{child.last_words()}")


def _list(folded: Path, name: str, mark: str) -> Table:
    """Functions by their own time, and those that more than a tenth of the time is under, in per cent of this stretch of work."""
    own: Counter[str] = Counter()
    under: Counter[str] = Counter()
    whole = 0
    for line in folded.read_text(encoding="utf-8").splitlines():
        stack, _, count = line.rpartition(" ")
        frames = stack.split(";")
        places = [n for n, frame in enumerate(frames) if mark in frame]
        if not places or any(PREPARING in frame for frame in frames):
            continue
        inside, n = [_plain(frame) for frame in frames[places[0] :]], int(count)
        whole += n
        own[inside[-1]] += n
        under.update(dict.fromkeys(inside, n))
    told = [frame for frame, _ in own.most_common(LISTED)] + [frame for frame, n in under.items() if n > whole / 10]
    rows: list[list[Cell]] = [[one, 100 * own[one] / whole, 100 * under[one] / whole] for one in dict.fromkeys(told)]
    return Table(f"{name}: {whole:,} looks", ["function", "own %", "with what it calls %"], rows)


def _plain(frame: str) -> str:
    """``fold (profiles/kernels/fold.py:12)`` without the line, so that a function is one row."""
    name, _, place = frame.partition(" (")
    return f"{name} ({place.partition(':')[0].rstrip(')')})"
