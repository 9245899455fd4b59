"""What is declared is what is used, what is locked is what is declared, and the page on dependencies is complete."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PACKAGES = ("profiles", "streams", "api")
LOCKS = ("requirements.lock", "requirements-run.lock")


def canonical(name: str) -> str:
    """A distribution's name as an index knows it, whatever the requirement around it."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\[<>=!~; ]", name.strip(), maxsplit=1)[0]).lower()


def declared() -> dict[str, set[str]]:
    """Direct dependencies by where they are declared."""
    project = PROJECT["project"]
    groups = {name: [d for d in deps if isinstance(d, str)] for name, deps in PROJECT["dependency-groups"].items()}
    everything = {"core": project["dependencies"], **project["optional-dependencies"], **groups}
    return {name: {canonical(dep) for dep in deps} - {"mien"} for name, deps in everything.items()}


def locked(lock: str) -> set[str]:
    return {canonical(line) for line in (ROOT / lock).read_text(encoding="utf-8").splitlines() if re.match(r"\w", line)}


def third_party_imports(package: str) -> dict[str, str]:
    """Top-level names that a package imports, and one file that does."""
    found: dict[str, str] = {}
    for file in sorted((ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            for name in (one.partition(".")[0] for one in names):
                if name not in sys.stdlib_module_names and name not in PACKAGES:
                    found.setdefault(name, str(file.relative_to(ROOT)))
    return found


@pytest.mark.parametrize("package", PACKAGES)
def test_everything_imported_is_declared_and_not_borrowed_from_another_package(package: str) -> None:
    groups = declared()
    allowed = groups["core"] | groups["data"] | groups["embedded"] | groups["demo"]
    provides = packages_distributions()

    borrowed = {
        name: file
        for name, file in third_party_imports(package).items()
        if not {canonical(one) for one in provides.get(name, [])} & allowed
    }

    assert not borrowed, "add it to pyproject.toml and docs/dependencies.md, then run `make lock`"


def test_the_profiles_need_no_kafka_no_http_and_no_framework() -> None:
    """The arrow never runs back: the domain can be used, and tested, alone."""
    shells = {"faust", "kafka", "aiokafka", "mode", "fastapi", "starlette", "uvicorn", "httpx2", "typer", "rich"}

    assert not shells & third_party_imports("profiles").keys()


def test_the_lock_holds_every_direct_dependency() -> None:
    assert set().union(*declared().values()) <= locked("requirements.lock")


def test_production_installs_what_it_runs_and_neither_tests_nor_the_private_stack() -> None:
    groups, run = declared(), locked("requirements-run.lock")

    assert groups["core"] | groups["data"] <= run
    assert not (groups["test"] | groups["lint"] | groups["embedded"]) & run
    assert not (groups["demo"] - groups["data"]) & run


def test_production_runs_the_versions_that_were_tested() -> None:
    def pins(lock: str) -> set[str]:
        return {line for line in (ROOT / lock).read_text(encoding="utf-8").splitlines() if re.match(r"\w", line)}

    assert pins("requirements-run.lock") <= pins("requirements.lock")


@pytest.mark.parametrize("lock", LOCKS)
def test_every_locked_version_has_hashes_and_no_index_is_named(lock: str) -> None:
    text = (ROOT / lock).read_text(encoding="utf-8")
    blocks = re.split(r"\n(?=\w)", "\n".join(line for line in text.splitlines() if not line.startswith("#")))

    assert all("==" in block and "--hash=sha256:" in block for block in blocks)
    assert not re.search(r"https?://|--(extra-)?index-url|--find-links|--trusted-host", text)


def test_the_page_on_dependencies_has_one_line_for_each() -> None:
    page = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    told = [canonical(name) for name in re.findall(r"^\| `([\w.-]+)` \|", page, flags=re.MULTILINE)]

    assert sorted(told) == sorted(set().union(*declared().values()))


def test_the_licence_is_the_whole_standard_text() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")

    assert "Version 2.0, January 2004" in text
    assert [int(n) for n in re.findall(r"^   (\d)\. ", text, flags=re.MULTILINE)] == list(range(1, 10))
    assert "END OF TERMS AND CONDITIONS" in text
    assert "APPENDIX: How to apply the Apache License to your work." in text
