"""The pages say what the code does: every setting, command, route, reason, file and link in them is looked up."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from api.app import create_app
from docs.generate import PARTS, commands, pages
from profiles.access import SCOPES
from profiles.settings import Settings
from streams.sift import DAMAGED, FAULT, POISON

ROOT: Final = Path(__file__).parents[1]
ENGLISH: Final = "README.md"
CHINESE: Final = "README.zh-CN.md"
PAGES: Final = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
NAMES: Final = [str(page.relative_to(ROOT)) for page in PAGES]
FENCE: Final = re.compile(r"^( *)```(\w+)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)


def text_of(page: str) -> str:
    """A page, by its path from the root."""
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(page: str, language: str = "") -> list[str]:
    """The fenced blocks of a page, without the indentation of the list they may stand in."""
    return [
        re.sub(f"^{indent}", "", body, flags=re.MULTILINE)
        for indent, said, body in FENCE.findall(text_of(page))
        if language in ("", said)
    ]


def prose(page: str) -> str:
    """A page without its fenced blocks."""
    return FENCE.sub("", text_of(page))


def spans(page: str) -> list[str]:
    """What stands in backticks in the text of a page."""
    return re.findall(r"`([^`\n]+)`", prose(page))


def headings(page: str) -> list[str]:
    """How deep each heading of a page is, in order."""
    return re.findall(r"^(#+) ", prose(page), flags=re.MULTILINE)


def first_column(page: str, after: str) -> list[str]:
    """What stands in backticks in the first column of the first table after a heading."""
    rest = text_of(page).partition(f"\n{after}\n")[2]
    assert rest, f"{page} has no {after!r}"
    table = re.search(r"(^\|.*\n)+", rest, flags=re.MULTILINE)
    return re.findall(r"^\| `([^`]+)`", table[0], flags=re.MULTILINE) if table else []


def calls(folder: str, *names: str) -> Iterator[ast.Call]:
    """Every call of a function or class of one of these names."""
    for file in sorted((ROOT / folder).rglob("*.py") if (ROOT / folder).is_dir() else [ROOT / folder]):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names:
                yield node


def texts(call: ast.Call) -> list[str]:
    """The literal texts among a call's arguments."""
    return [arg.value for arg in call.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]


# --- what the code knows -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", sorted(page.name for page in pages()))
def test_what_a_page_takes_from_the_code_is_as_the_code_has_it(page: str) -> None:
    wanted = {path.name: text for path, text in pages().items()}[page]

    assert (ROOT / "docs" / page).read_text(encoding="utf-8") == wanted, "run `python docs/generate.py`"


def test_every_part_that_is_made_is_shown_somewhere() -> None:
    shown = {part for page in PAGES for part in re.findall(r"from the code: ([\w ]+) -->", page.read_text("utf-8"))}

    assert shown == set(PARTS)


def test_every_setting_is_explained_and_every_variable_named_is_one() -> None:
    known = {f"MIEN_{name.upper()}" for name in Settings.model_fields}

    assert set(first_column("docs/operations.md", "## Settings")) == known
    for name in NAMES:
        named = set(re.findall(r"\bMIEN_[A-Z_]*[A-Z]", text_of(name)))
        assert {one.removesuffix("_FILE") for one in named} <= known, name


def test_every_reason_of_a_dead_letter_is_explained() -> None:
    raised = {texts(call)[0] for call in calls("profiles/intake.py", "Rejected")}

    assert set(first_column("docs/wire.md", "## Dead letters")) == raised


def test_every_reason_of_the_collector_is_explained() -> None:
    """Either as one that intake has too, or as one of its own; a request that is none as a whole is no dead letter."""
    raised = {texts(call)[0] for call in calls("profiles/dialects", "Rejected", "Unfit") if texts(call)}
    known = {*first_column("docs/wire.md", "## Dead letters"), "body_too_large", "bad_gzip"}

    assert set(first_column("docs/collect.md", "## What becomes of an event")) == raised - known


def test_every_reason_that_is_our_own_fault_is_explained() -> None:
    assert first_column("docs/wire.md", "### Dead letters of our own making") == [FAULT, POISON, DAMAGED]


def test_every_route_is_listed_and_every_route_listed_is_there() -> None:
    paths: dict[str, dict[str, Any]] = create_app(Settings()).openapi()["paths"]
    served = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}

    assert set(first_column("docs/api.md", "## Routes")) == served


def test_every_problem_code_is_explained() -> None:
    rows = re.findall(r"^\| (\d{3}) \| `(\w+)` \|", text_of("docs/api.md"), flags=re.MULTILINE)
    raised = {texts(call)[0] for call in calls("api", "Refusal", "unknown") if texts(call)}

    assert {code for _, code in rows} == raised
    assert rows == sorted(rows, key=lambda row: row[0])


def test_every_scope_is_explained() -> None:
    assert set(first_column("docs/api.md", "## Keys")) == set(SCOPES)


@pytest.mark.parametrize("name", NAMES)
def test_every_command_that_is_named_exists(name: str) -> None:
    known = {command for command, _ in commands()}
    code = "\n".join([*blocks(name, "sh"), *spans(name)])
    said = re.findall(r"\bmien ([a-z]+)(?: ([a-z]+))?", code) + re.findall(r"\bworker (tags|keys) ([a-z]+)", code)

    assert [one for one in said if not {f"mien {one[0]}", f"mien {one[0]} {one[1]}"} & known] == []


@pytest.mark.parametrize("name", NAMES)
def test_every_make_target_that_is_named_exists(name: str) -> None:
    known = set(re.findall(r"^([a-z]+):", text_of("Makefile"), flags=re.MULTILINE))
    code = "\n".join([*blocks(name, "sh"), *spans(name)])

    assert set(re.findall(r"(?<!keys )\bmake ([a-z]+)", code)) <= known


@pytest.mark.parametrize("name", NAMES)
def test_every_file_that_is_named_or_linked_to_exists(name: str) -> None:
    page = ROOT / name
    linked = [target for target in re.findall(r"\]\(([^)#]+)\)", text_of(name)) if "://" not in target]
    named = re.findall(r"`((?:profiles|streams|api|tests|docs)/[\w./-]*)`", text_of(name))

    missing = [target for target in linked if not (page.parent / target).exists()]
    assert missing + [target for target in named if not (ROOT / target).exists()] == []


# --- the two languages -------------------------------------------------------------------------------------------------


def test_both_languages_have_the_same_sections_and_the_same_examples() -> None:
    assert headings(CHINESE) == headings(ENGLISH)
    assert blocks(CHINESE) == blocks(ENGLISH)
    assert all(blocks(ENGLISH, language) for language in ("sh", "python", "yaml", "text"))


def test_both_languages_link_to_the_same_pages_and_have_tables_of_the_same_length() -> None:
    def told(page: str) -> tuple[set[str], int, int]:
        text = prose(page)
        links = {link for link in re.findall(r"\]\(([^)]+)\)", text) if not link.startswith("README")}
        return links, len(re.findall(r"^\|", text, flags=re.MULTILINE)), text.count("<!-- numbers -->")

    assert told(CHINESE) == told(ENGLISH)
    assert told(ENGLISH)[2] == 1


# --- the rest -----------------------------------------------------------------------------------------------------------


def test_the_changelog_tells_of_this_version() -> None:
    version = tomllib.loads(text_of("pyproject.toml"))["project"]["version"]
    told = re.findall(r"^## \[([^]]+)\]", text_of("CHANGELOG.md"), flags=re.MULTILINE)

    assert told[:2] == ["Unreleased", version]
