"""SQL conditions into terms.

    orders >= 3 AND (city IN ('上海', '北京') OR NOT spend_365d < CUT(0.8)) AND HAS('newcomer') AND last_step IS NOT NULL

A feature is compared with a number, a text or a decile of all customers (``CUT(0.1)`` .. ``CUT(0.9)``); ``HAS('tag')``
asks about another tag.  sqlglot reads the SQL; everything that is more than this is refused where it stands.
Knows: SQL's shapes.  Must not know: YAML, which tags exist, kernels' arrays.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, NamedTuple

import sqlglot
from sqlglot import Tokenizer, TokenType, exp
from sqlglot.errors import ParseError, SqlglotError

from profiles.features import Feature
from profiles.kernels.decide import Compare
from profiles.rules.terms import FALSE, TRUE, Asks, Comparison, Limit, Term, every, opposite, some
from profiles.rules.vocabulary import Misused, comparison, cut, feature_named

LONGEST: Final = 2_000  #: characters of one condition
DEEPEST: Final = 24  #: brackets and NOTs inside each other

_COMPARE: Final[dict[type[exp.Expr], Compare]] = {
    exp.LT: Compare.LT,
    exp.LTE: Compare.LE,
    exp.GT: Compare.GT,
    exp.GTE: Compare.GE,
    exp.EQ: Compare.EQ,
    exp.NEQ: Compare.NE,
}
_MIRRORED: Final = {
    Compare.LT: Compare.GT,
    Compare.GT: Compare.LT,
    Compare.LE: Compare.GE,
    Compare.GE: Compare.LE,
}


class Fault(NamedTuple):
    """One mistake in a condition, and the character at which it shows."""

    message: str
    offset: int


class Unreadable(Exception):
    """A condition that is none; ``faults`` are its mistakes, in the order in which they stand there."""

    def __init__(self, message: str, offset: int = 0, *others: Fault) -> None:
        super().__init__(message)
        self.faults = (Fault(message, offset), *others)


@dataclass(frozen=True)
class Mention:
    """A comparison or question as the author wrote it, and at which character."""

    what: Comparison | Asks
    offset: int


@dataclass(frozen=True)
class Formula:
    """What a condition means, and what it asks about."""

    term: Term
    mentions: tuple[Mention, ...]


def parse(text: str) -> Formula:
    """Read one condition.

    Raises:
        Unreadable: it is no condition over the dictionary; says where and what would mend it.

    >>> parse("NOT orders < 3").term.compare.name
    'GE'
    """
    _measure(text)
    try:
        tree = sqlglot.parse_one(text, into=exp.Condition)
    except ParseError as error:
        raise _unreadable(text, error) from None
    except SqlglotError as error:
        raise Unreadable(f"cannot be read as a condition: {error}") from None
    reading = _Reading()
    term = reading.part(tree)
    if reading.faults:
        first, *others = sorted(reading.faults, key=lambda fault: fault.offset)
        raise Unreadable(*first, *others)
    return Formula(term, tuple(reading.mentions))


def _measure(text: str) -> None:
    """Refuse what is too long or too deep before a parser descends into it."""
    if not text.strip():
        raise Unreadable("the condition is empty; write TRUE if it is meant to hold always")
    if len(text) > LONGEST:
        raise Unreadable(f"the condition has {len(text)} characters, more than {LONGEST}; split it with HAS('tag')")
    try:
        tokens = Tokenizer().tokenize(text)
    except SqlglotError:
        at = next((i for i in range(len(text) - 1, -1, -1) if text[i] in "'\""), 0)
        raise Unreadable("a quote is not closed", at) from None
    depth, signs = 0, 0
    for token in tokens:
        if token.token_type is TokenType.SEMICOLON:
            raise Unreadable("one condition only, without ';'", token.start)
        depth += {TokenType.L_PAREN: 1, TokenType.R_PAREN: -1}.get(token.token_type, 0)
        signs = signs + 1 if token.token_type in (TokenType.NOT, TokenType.DASH, TokenType.PLUS) else 0
        if depth > DEEPEST or signs > DEEPEST:
            raise Unreadable(f"too deep: more than {DEEPEST} brackets or signs inside each other", token.start)


def _unreadable(text: str, error: ParseError) -> Unreadable:
    found = error.errors[0] if error.errors else {}
    what = str(found.get("description") or "nothing to compare")
    if what.startswith("Required keyword"):
        what = f"something is missing after {str(found.get('highlight')).upper()}"
    elif what.startswith("Invalid expression"):
        what = f"unexpected {found.get('highlight')!r}"
    lines = text.splitlines(keepends=True)[: int(found.get("line") or 1) - 1]
    offset = sum(map(len, lines)) + int(found.get("col") or 1) - len(str(found.get("highlight") or " "))
    return Unreadable(f"cannot be read as a condition: {what}", min(max(offset, 0), len(text) - 1))


class _Reading:
    """One walk over a syntax tree."""

    def __init__(self) -> None:
        self.mentions: list[Mention] = []
        self.faults: list[Fault] = []

    def part(self, node: exp.Expr) -> Term:
        """What ``node`` means; a mistake in it is remembered, so that its neighbours are read too."""
        try:
            return self.condition(node)
        except Unreadable as wrong:
            self.faults += wrong.faults
            return TRUE

    def condition(self, node: exp.Expr) -> Term:
        node = node.unnest()
        if isinstance(node, (exp.And, exp.Or)):
            parts = [self.part(part) for part in node.flatten()]
            return every(parts) if isinstance(node, exp.And) else some(parts)
        if isinstance(node, exp.Not):
            return opposite(self.condition(node.this))
        if isinstance(node, exp.Boolean):
            return TRUE if node.this else FALSE
        if type(node) in _COMPARE:
            return self.compared(node, node.this.unnest(), node.expression.unnest(), _COMPARE[type(node)])
        if isinstance(node, exp.Between) and not node.args.get("symmetric"):
            low = self.compared(node, node.this.unnest(), node.args["low"].unnest(), Compare.GE)
            return every([low, self.compared(node, node.this.unnest(), node.args["high"].unnest(), Compare.LE)])
        if isinstance(node, exp.In) and node.expressions:
            return some(self.compared(node, node.this.unnest(), each.unnest(), Compare.EQ) for each in node.expressions)
        if isinstance(node, exp.Is) and isinstance(node.expression, exp.Null):
            return self.built(self.known(node.this.unnest()), Compare.UNKNOWN, None, _at(node.this), 0)
        if _called(node) == "HAS":
            return self.asked(node)
        raise Unreadable(_not_a_condition(node), _at(node))

    def compared(self, whole: exp.Expr, left: exp.Expr, right: exp.Expr, compare: Compare) -> Term:
        """A feature on one side, something fixed on the other."""
        if isinstance(left, exp.Column) and isinstance(right, exp.Column) and not right.this.quoted:
            other = self.known(right).name
            raise Unreadable(f"a feature is compared with a number or a text, not with {other}", _at(right))
        if isinstance(right, exp.Column) and not isinstance(left, exp.Column) and not isinstance(whole, exp.In):
            left, right, compare = right, left, _MIRRORED.get(compare, compare)
        feature = self.known(left)
        return self.built(feature, compare, _fixed(right, _at(left)), _at(left), _at(right, _at(left)))

    def built(self, feature: Feature, compare: Compare, limit: Limit, at: int, limit_at: int) -> Term:
        try:
            found = comparison(feature, compare, limit)
        except Misused as wrong:
            raise Unreadable(str(wrong), limit_at if wrong.limit else at) from None
        self.mentions.append(Mention(found, limit_at if isinstance(limit, str) else at))
        return found

    def known(self, column: exp.Expr) -> Feature:
        """The feature that ``column`` names."""
        if not isinstance(column, exp.Column):
            raise Unreadable(_not_a_feature(column), _at(column))
        if column.this.quoted:
            raise Unreadable(f"texts stand in single quotes: '{column.name}'", _at(column))
        try:
            return feature_named(column.sql() if column.table else column.name)
        except Misused as wrong:
            raise Unreadable(str(wrong), _at(column)) from None

    def asked(self, node: exp.Expr) -> Asks:
        args = node.expressions
        if len(args) != 1 or not (isinstance(args[0], exp.Literal) and args[0].is_string):
            raise Unreadable("HAS takes one tag in single quotes: HAS('newcomer')", _at(node))
        found = Asks(args[0].this)
        self.mentions.append(Mention(found, _at(args[0])))
        return found


def _fixed(node: exp.Expr, near: int) -> Limit:
    """A number, a text or a cut point; ``near`` is where to point if the parser forgot where it stands."""
    sign = 1.0
    while isinstance(node, exp.Neg):
        node, sign = node.this.unnest(), -sign
    if isinstance(node, exp.Literal) and not (node.is_string and sign < 0):
        if node.is_string:
            return str(node.this)
        number = sign * float(node.this)
        if not math.isfinite(number):
            raise Unreadable("a number that large has no meaning here", _at(node, near))
        return number
    if _called(node) == "CUT" and sign > 0:
        args = node.expressions
        try:
            return cut(args[0].sql() if len(args) == 1 else "")
        except Misused as wrong:
            raise Unreadable(str(wrong), _at(node, near)) from None
    raise Unreadable(_not_fixed(node), _at(node, near))


def _called(node: exp.Expr) -> str:
    """Name of the function that ``node`` calls, if it is one that SQL does not know itself."""
    return node.name.upper() if isinstance(node, exp.Anonymous) else ""


def _at(node: exp.Expr, near: int = 0) -> int:
    """First character of ``node``, as far as the parser remembers it, else ``near``."""
    starts = [each.meta["start"] for each in node.walk() if "start" in each.meta]
    return int(min(starts, default=near))


def _not_fixed(node: exp.Expr) -> str:
    if isinstance(node, exp.Null):
        return "nothing equals NULL: ask with IS NULL or IS NOT NULL"
    if isinstance(node, exp.Column) and node.this.quoted:
        return f"texts stand in single quotes: '{node.name}'"
    if isinstance(node, exp.Boolean):
        return "features are numbers or texts, never TRUE or FALSE"
    return f"a feature is compared with a number, a text or CUT(0.8), not with {_shown(node)}"


def _not_a_feature(node: exp.Expr) -> str:
    if isinstance(node, exp.Literal):
        return "one side of a comparison must be a feature"
    if _called(node) == "HAS":
        return "HAS('tag') is a condition by itself: write HAS('tag') or NOT HAS('tag')"
    if isinstance(node, exp.Func):
        return f"there are no functions here but CUT and HAS: {_shown(node)}"
    return f"no arithmetic and no expressions here, only features: {_shown(node)}"


def _not_a_condition(node: exp.Expr) -> str:
    if isinstance(node, (exp.Column, exp.Literal)):
        return f"{_shown(node)} alone is no condition: compare a feature with something"
    if isinstance(node, (exp.Like, exp.ILike, exp.RegexpLike, exp.SimilarTo)):
        return "texts are compared with =, != or IN"
    if isinstance(node, exp.In):
        return "IN takes a list: IN (1, 2)"
    if isinstance(node, exp.Is):
        return "IS goes with NULL only: IS NULL, IS NOT NULL"
    if isinstance(node, exp.Func):
        return f"there are no functions here but CUT and HAS: {_shown(node)}"
    return f"not a condition that rules know: {_shown(node)}"


def _shown(node: exp.Expr) -> str:
    text = node.sql()
    return text if len(text) <= 40 else f"{text[:37]}..."
