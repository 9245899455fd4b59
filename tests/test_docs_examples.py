"""The examples on the pages work: code runs, events are understood, tags may go live, the customer's day happens."""

from __future__ import annotations

import ast
import base64
import re
import subprocess
import time
from typing import Any, Final

import msgspec
import pytest
import yaml
from standardwebhooks.webhooks import WebhookVerificationError

from profiles.clock import DAY, HOUR, MINUTE, Millis, iso, zone
from profiles.intake import Event, Intake
from profiles.kinds import Kind
from profiles.rules import load, shipped
from profiles.store.worlds import SHIPPED_TAGS
from streams.webhooks import Signer, new_secret
from tests.laws.machine import Machine, book_of
from tests.test_docs import CHINESE, ENGLISH, NAMES, blocks, text_of

SHANGHAI: Final = "Asia/Shanghai"
MIDNIGHT: Final = 1_795_190_400_000  #: of 21 November 2026, in Shanghai
TEA: Final = {"product_id": "tea-7", "category": "茶叶", "brand": "山野", "price": 84.00}
AVOIDED: Final = "checkout_dropped"  #: of which the table says only when it would have begun
IDENTITY: Final = {"age": 29, "city": "上海", "phone": "13800001111"}
intake: Final = Intake("CNY", SHANGHAI)


# --- a customer's day --------------------------------------------------------------------------------------------------


def at(hour: int, minute: int = 0) -> Millis:
    """A time of the day."""
    return MIDNIGHT + hour * HOUR + minute * MINUTE


def did(number: int, when: Millis, event: str = "", properties: Any = None, **others: Any) -> Event:
    """What the shop's app sends."""
    message = {
        "type": "track" if event else "identify",
        "event": event,
        "userId": "u-1001",
        "messageId": f"m-{number}",
        "timestamp": iso(when),
        "properties": properties or {},
    }
    return intake.read(msgspec.json.encode(message | others), when)


def day() -> list[Event]:
    """Everything she does, row by row of the table."""
    order = {"order_id": "o-17", "revenue": 168.00, "currency": "CNY", "products": [{**TEA, "quantity": 2}]}
    return [
        did(1, at(9), traits=IDENTITY),
        *(did(number, at(9, 2), "Product Viewed", TEA) for number in (2, 3, 4)),
        did(5, at(9, 2), "Product Added", {**TEA, "quantity": 2}),
        did(6, at(9, 5), "Checkout Started"),
        did(7, at(9, 6), "Order Completed", order),
        did(7, at(9, 6), "Order Completed", order),
        did(8, at(14), "Complaint Filed"),
        did(9, at(20), "Product Reviewed", {"product_id": "tea-7", "rating": 2}),
    ]


def rows(page: str) -> list[list[str]]:
    """The cells of the table of the day."""
    table = re.search(r"^\| 09:00 .*?\n\n", text_of(page), flags=re.MULTILINE | re.DOTALL)
    assert table, f"{page} has no day"
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table[0].strip().splitlines()]


@pytest.mark.parametrize("page", [ENGLISH, CHINESE])
def test_the_customers_day_is_what_happens(page: str) -> None:
    """The shipped rules, lived through: what the table says begins or ends, begins or ends then, and nothing else does."""
    shop = Machine([day()], zone(SHANGHAI), book=book_of(SHIPPED_TAGS)).run([])
    while shop.silence(at(9, 6) + 91 * DAY):
        pass
    notes = [note for note in shop.told("u-1001")["timeline"] if note.get("what") in ("tag", "rfm")]
    table = rows(page)
    moments = [at(9), at(9, 2), at(9, 5), at(9, 6), at(9, 6), at(14), at(14, 1), at(20)]
    assert [row[0] for row in table[:8]] == [
        f"{(when - MIDNIGHT) // HOUR:02}:{when // MINUTE % 60:02}" for when in moments
    ]

    known = {tag.name for tag in shipped().tags} - {AVOIDED}
    for when, row in zip(moments, table, strict=False):
        begun = {note["name"] for note in notes if note["at"] == when and note["what"] == "tag"}
        told = {name for name in re.findall(r"`(\w+)`", row[2]) if name in known}
        assert told == begun or (row is table[4] and not told), row
    assert _moved(notes, "second_order_due") == [("entered", at(9, 6) + 7 * DAY), ("left", at(9, 6) + 30 * DAY)]
    assert _moved(notes, "newcomer_complained")[-1] == ("left", at(14) + 7 * DAY)
    assert _moved(notes, "one_time_buyer") == [("entered", at(9, 6) + 30 * DAY)]
    assert _moved(notes, "silent_90_days") == [("entered", at(20) + 90 * DAY)]
    assert [note["name"] for note in notes if note["what"] == "rfm" and note["at"] == at(9, 6)] == ["general_develop"]
    assert shop.checkpoint(0).duplicates == 1


def _moved(notes: list[dict[str, Any]], tag: str) -> list[tuple[str, Millis]]:
    return sorted((note["change"], note["at"]) for note in notes if note["name"] == tag)


@pytest.mark.parametrize("page", [ENGLISH, CHINESE])
def test_the_customers_day_calls_tags_what_the_rules_call_them(page: str) -> None:
    rules = shipped()
    labels = {tag.name: tag.label.zh for tag in rules.tags}
    labels |= {rung.name: rung.label.zh for ladder in rules.ladders for rung in ladder.rungs}
    policies = {tag.alert for tag in rules.tags}
    named = [(name, rest) for row in rows(page) for name, rest in re.findall(r"`([a-z]\w+)`([^`]*)", row[2])]

    assert len(named) >= 10
    assert {name for name, _ in named} <= {*labels, *policies}
    said = [(name, rest) for name, rest in named if re.match(r" [\u4e00-\u9fff]", rest) and name in labels]
    assert all(rest.strip().startswith(labels[name]) for name, rest in said)


# --- code --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_every_python_example_compiles_and_imports_what_is_there(name: str) -> None:
    for code in blocks(name, "python"):
        tree = ast.parse(code)
        compile(tree, name, "exec")
        for node in tree.body:
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                exec(compile(ast.Module([node], []), name, "exec"), {})  # noqa: S102 - our own example


@pytest.mark.parametrize("name", NAMES)
def test_every_shell_example_can_be_parsed(name: str) -> None:
    for code in blocks(name, "sh"):
        done = subprocess.run(["sh", "-n"], input=code, text=True, capture_output=True, check=False)  # noqa: S607
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", [ENGLISH, "CONTRIBUTING.md"])
def test_every_tag_example_may_go_live_beside_the_shipped_ones(name: str) -> None:
    rules = shipped()
    for code in blocks(name, "yaml"):
        added = {tag["name"] for tag in yaml.safe_load(code)}
        text = rules.text.replace("\nladders:", "\n" + code + "ladders:", 1)
        assert {tag.name for tag in load(text).tags} == {tag.name for tag in rules.tags} | added


def test_every_event_example_is_understood() -> None:
    found = [intake.read(code.encode(), at(12)) for code in blocks("docs/wire.md", "json")]

    assert [event.kind for event in found] == [Kind.ORDER, Kind.IDENTIFY, Kind.VIEW]
    assert found[0].amount == 16_800
    assert all(event.key for event in found)
    assert {(event.time - MIDNIGHT) // DAY for event in found} == {0}


def test_the_publisher_example_is_understood_too() -> None:
    published = next(node for node in ast.walk(ast.parse(blocks(ENGLISH, "python")[0])) if isinstance(node, ast.Dict))
    event = intake.read(msgspec.json.encode(ast.literal_eval(published)), at(12))

    assert (event.profile, event.kind, event.amount, event.time) == ("u-1001", Kind.ORDER, 16_800, at(9, 6))


# --- webhooks ----------------------------------------------------------------------------------------------------------


def checks(page: str) -> list[Any]:
    """The functions of a page that check a webhook."""
    found = []
    for code in blocks(page, "python"):
        if "webhook" in code.lower():
            space: dict[str, Any] = {}
            exec(compile(code, page, "exec"), space)  # noqa: S102 - our own example
            found += [each for name, each in space.items() if name in ("checked", "received")]
    return found


def test_the_webhook_examples_accept_what_we_sign_and_nothing_else() -> None:
    secret, now = new_secret(), int(time.time() * 1000)
    body = b'{"type": "churn_rescue.alert.raised", "data": {"profile": "u-1", "action": {"en": "Call"}}}'
    headers = Signer(f"{new_secret()} {secret}").headers("w1-a-raised", now, body)
    old = Signer(secret).headers("w1-a-raised", now - 600_000, body)
    other = "whsec_" + base64.b64encode(b"another secret of 24 byte").decode()
    examples = [*checks(ENGLISH), *checks("docs/alerts.md")]
    assert len(examples) == 3

    for check in examples:
        given = {"headers": headers, "body": body, "secret": secret}
        assert check(**given)
        for wrong in ({"body": body + b" "}, {"headers": old}, {"secret": other}):
            assert not _accepts(check, given | wrong)


def _accepts(check: Any, given: dict[str, Any]) -> bool:
    try:
        return bool(check(**given))
    except WebhookVerificationError:
        return False
