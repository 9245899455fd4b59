"""The map of the house is true: who may import whom, who may touch Redis, who may know the time.

The map itself stands in the docstring of ``profiles``; this file reads it, so it cannot grow old unnoticed.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

import pytest

import profiles
from profiles import compiled

ROOT: Final = Path(__file__).parent.parent
HOUSES: Final = ("profiles", "streams", "api")
FORBIDDEN: Final = {
    "profiles": {"streams", "api", "faust", "kafka", "aiokafka", "fastapi", "uvicorn", "tests"},
    "streams": {"api", "fastapi", "tests"},
    "api": {"streams", "faust", "kafka", "tests"},
}
TIME_OF_DAY: Final = {"time.time", "time.time_ns", "datetime.now", "datetime.utcnow", "datetime.today", "date.today"}


def files(*houses: str) -> list[Path]:
    return sorted(path for house in houses for path in (ROOT / house).rglob("*.py"))


def module(path: Path) -> str:
    """``profiles/store/base.py`` -> ``profiles.store.base``."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(path: Path) -> Iterator[str]:
    """Full names of everything a file imports, wherever in the file it does."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: imports are absolute"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def graph() -> dict[str, set[str]]:
    """Module of ``profiles`` -> the modules of ``profiles`` it imports."""
    known = {module(path): path for path in files("profiles") if path.name != "__main__.py"}
    del known["profiles"]  # it holds the map and no code
    return {name: {each for each in imports(path) if each in known and each != name} for name, path in known.items()}


@pytest.mark.parametrize("house", HOUSES)
def test_no_arrow_runs_back(house: str) -> None:
    """``streams`` and ``api`` import ``profiles``, never each other; ``profiles`` imports neither."""
    arrows = {
        f"{path.relative_to(ROOT)} imports {name}"
        for path in files(house)
        for name in imports(path)
        if name.split(".")[0] in FORBIDDEN[house]
    }
    assert arrows == set()


def test_of_the_api_only_the_outlet_knows_kafka() -> None:
    knows = {path.name for path in files("api") if any(name.split(".")[0] == "aiokafka" for name in imports(path))}
    assert knows == {"outlet.py"}


def test_only_the_store_touches_redis() -> None:
    """In the domain; and of the shells nobody spells a key of Redis."""
    outside = [path for path in files("profiles") if ROOT / "profiles" / "store" not in path.parents]
    assert {path.name for path in outside if any(name.split(".")[0] == "redis" for name in imports(path))} == set()
    spelled = re.compile(r"""["']\{[^"'}]*\}:(ck|p|x|due|tag|n|out|t)\b""")
    shells = {
        str(path.relative_to(ROOT)) for path in files(*HOUSES) if spelled.search(path.read_text(encoding="utf-8"))
    }
    assert shells <= {"profiles/store/keys.py"}


def test_only_the_clock_knows_the_time_of_day() -> None:
    """Everything else in the domain is told what time it is."""
    asked = {
        f"{path.relative_to(ROOT)}:{node.lineno} {ast.unparse(node)}"
        for path in files("profiles")
        if path.name != "clock.py"
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Attribute) and ast.unparse(node).removeprefix("datetime.") in TIME_OF_DAY
    }
    assert asked == set()


def test_the_domain_knows_no_environment() -> None:
    """Only ``settings``, which is handed the environment, and the compiler's own switch."""
    asked = {
        path.name
        for path in files("profiles")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Attribute) and ast.unparse(node) in ("os.environ", "os.getenv")
    }
    assert asked <= {"settings.py", "compiled.py"}


def test_the_domain_has_levels_not_circles() -> None:
    """Take away whatever imports nothing that is left, again and again: in the end nothing is left."""
    left = graph()
    while free := [name for name, needs in left.items() if not needs & left.keys()]:
        left = {name: needs for name, needs in left.items() if name not in free}
    assert left == {}


def test_the_map_in_the_docstring_is_true() -> None:
    """Every module has its line, and imports only from its own line or lines above."""
    level: dict[str, int] = {}
    for number, line in enumerate((profiles.__doc__ or "").splitlines()):
        if drawn := re.fullmatch(r"    (\S.*?)(?:  +\S.*)?", line):
            for word in re.findall(r"[a-z]+", drawn[1].replace("tags.yaml", "")):
                level[word] = number
    parts = {name: name.split(".")[1] for name in graph()}
    assert {part for part in parts.values() if part not in level} == set(), "not on the map"
    assert set(level) - set(parts.values()) == set(), "on the map, but gone"
    upwards = {
        f"{parts[name]} imports {parts[other]}"
        for name, others in graph().items()
        for other in others
        if level[parts[other]] > level[parts[name]]
    }
    assert upwards == set()


def test_stored_machine_code_is_marked_with_all_it_was_made_of() -> None:
    """What kernels import is frozen into their machine code, so a change there has to make new code."""
    made_of = {f"profiles.{name}" for name in compiled.MADE_OF} | {"profiles.compiled", "profiles.clock"}
    kernels = {name: needs for name, needs in graph().items() if name.startswith("profiles.kernels.")}
    outside = {need for needs in kernels.values() for need in needs if not need.startswith("profiles.kernels")}
    assert outside <= made_of
    further = {need for name in made_of - {"profiles.compiled"} for need in graph()[name]}
    assert further <= made_of


def test_every_file_says_what_it_is() -> None:
    """A docstring at the head of every module; in the domain it says what the module must not know."""
    bare = [str(path.relative_to(ROOT)) for path in files(*HOUSES) if not ast.get_docstring(tree(path))]
    assert bare == []
