"""Plug-ins of fixtures are there for every test that runs after the first file that names them."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path


def test_fixtures_of_plug_ins_have_names_of_their_own() -> None:
    """Otherwise a test may get another plug-in's, depending on what its process ran before."""
    names = Counter(
        node.name
        for path in sorted(Path(__file__).parent.glob("*_fixtures.py"))
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.decorator_list
    )
    assert len(names) > 5, "they are found"
    assert [name for name, count in names.items() if count > 1] == []
