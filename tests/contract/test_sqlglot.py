"""Reliance: sqlglot reads conditions; ``profiles/rules/grammar.py`` walks its trees and places its errors."""

from __future__ import annotations

import pytest
import sqlglot
from sqlglot import Tokenizer, TokenType, exp
from sqlglot.errors import ParseError


def test_a_condition_has_the_shape_we_walk() -> None:
    """AND and OR are flattened over brackets of their own kind, NOT stands over what it denies, texts are literals.

    Relied on by ``profiles/rules/grammar.py``: a change of shape would change what a tag means.
    """
    tree = sqlglot.parse_one("a >= 1 AND b < 2 AND NOT c IN ('x', '上海') OR d IS NOT NULL", into=exp.Condition)
    assert isinstance(tree, exp.Or)
    left, right = tree.flatten()
    assert [type(part) for part in left.flatten()] == [exp.GTE, exp.LT, exp.Not]
    inside = list(left.flatten())[2].this
    assert isinstance(inside, exp.In)
    assert [each.this for each in inside.expressions] == ["x", "上海"]
    assert all(each.is_string for each in inside.expressions)
    assert isinstance(right, exp.Not)
    assert isinstance(right.this, exp.Is)


def test_not_binds_weaker_than_a_comparison() -> None:
    """``NOT a < 3`` denies the comparison, and AND binds stronger than OR."""
    denied = sqlglot.parse_one("NOT a < 3", into=exp.Condition)
    assert isinstance(denied, exp.Not)
    assert isinstance(denied.this, exp.LT)
    mixed = sqlglot.parse_one("a = 1 OR b = 2 AND c = 3", into=exp.Condition)
    assert isinstance(mixed, exp.Or)
    assert isinstance(mixed.expression, exp.And)


def test_functions_we_do_not_know_keep_their_name_and_arguments() -> None:
    """``HAS('x')`` and ``CUT(0.8)`` are ours, and arrive as anonymous functions."""
    for text, name in (("HAS('newcomer')", "HAS"), ("CUT(0.8)", "CUT")):
        node = sqlglot.parse_one(text, into=exp.Condition)
        assert isinstance(node, exp.Anonymous)
        assert str(node.this).upper() == name
        assert len(node.expressions) == 1


def test_errors_and_names_know_where_they_stand() -> None:
    """Lines and columns of errors; start of tokens; ``meta`` of names.

    Relied on by ``mien tags check``: every fault is shown with its line and column.
    """
    with pytest.raises(ParseError) as told:
        sqlglot.parse_one("a >= 1\nAND AND b", into=exp.Condition)
    found = told.value.errors[0]
    assert {"description", "line", "col", "highlight"} <= found.keys()
    assert found["line"] == 2
    tokens = Tokenizer().tokenize("a >= (1)")
    assert [token.start for token in tokens] == [0, 2, 5, 6, 7]
    assert TokenType.L_PAREN in {token.token_type for token in tokens}
    column = sqlglot.parse_one("  spend >= 1", into=exp.Condition).find(exp.Identifier)
    assert column is not None
    assert column.meta["start"] == 2
