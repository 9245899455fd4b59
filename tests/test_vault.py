"""Personal traits are sealed before they travel, under a key of each customer's own, and only masks are shown."""

from __future__ import annotations

import asyncio
import json
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final, TypeVar

import pytest

from profiles import inputs, sidecar
from profiles.intake import Intake
from profiles.landing import Landing
from profiles.stable import bucket_of
from profiles.store import keys
from profiles.store.client import Client, connect
from profiles.store.erasure import Regulations
from profiles.store.vault import Vault, open_vault
from profiles.suppressed import Suppressed
from profiles.vault.ring import BadRing, Locked, Ring, new_entry, parse
from profiles.vault.seal import DataKey, Unreadable, mask_of, new_key, token_of
from streams.commands import vault as commands
from streams.intake import IntakeHop
from streams.keyfile import own_ring

R = TypeVar("R")
BUCKETS: Final = 3
AT: Final = 1_760_000_000_000
TOLD: Final = {"phone": "13812341234", "email": "li.lei@example.com", "姓名": "李雷", "address": "世纪大道 100 号"}
OLD, NEW = new_entry("old"), new_entry("new")


def ring(setting: str = OLD) -> Ring:
    made = parse(setting)
    assert made is not None
    return made


def run(url: str, work: Callable[[Client], Awaitable[R]]) -> R:
    async def done() -> R:
        client = connect(url)
        try:
            return await work(client)
        finally:
            await client.aclose()

    return asyncio.run(done())


class Sent:
    """Takes what intake sends on."""

    def __init__(self) -> None:
        self.raw: list[bytes] = []

    async def send_and_wait(self, _topic: str, value: bytes, **_: Any) -> None:
        self.raw.append(value)

    def patches(self) -> list[inputs.Patch]:
        records = [inputs.decode(raw) for raw in self.raw]
        return [patch for one in records if isinstance(one, inputs.Batch) for patch in one.patches.values()]


async def through(vault: Vault, who: str = "u-1", **traits: object) -> Sent:
    """One identify call through the real first hop."""
    sent = Sent()
    hop = IntakeHop(Landing(Intake("CNY", "Asia/Shanghai", seals=vault.seals)), BUCKETS, sent, vault=vault)  # type: ignore[arg-type]
    raw = json.dumps({"type": "identify", "userId": who, "traits": traits or TOLD | {"city": "上海"}}).encode()
    await hop.handle([SimpleNamespace(topic="t", partition=0, offset=0, timestamp=AT, value=raw, headers=())])
    return sent


def plain_in(*blobs: bytes) -> set[str]:
    """What of the secrets can be found in these bytes."""
    return {text for text in TOLD.values() for blob in blobs if text.encode() in blob}


def test_what_leaves_intake_is_sealed_and_only_its_owners_key_opens_it(redis_url: str) -> None:
    async def story(client: Client) -> tuple[list[bytes], dict[str, str], dict[str, Any]]:
        vault = await open_vault(client, ring(), BUCKETS)
        sent = await through(vault)
        told = dict(sent.patches()[0])
        key = (await vault.find(["u-1"]))["u-1"]
        opened = {name: key.open(token, name) for name, value in told.items() if (token := token_of(value))}
        return sent.raw, opened, sidecar.traits(sidecar.patched(None, [(AT, sent.patches()[0])]))

    raw, opened, shown = run(redis_url, story)
    assert opened == TOLD
    assert plain_in(*raw) == set()
    assert shown == {
        "phone": "138****1234", "email": "l***@example.com", "姓名": "李*", "address": "***", "city": "上海",
    }  # fmt: skip


def test_without_keys_only_masks_are_kept_and_the_index_still_names_values(redis_url: str) -> None:
    async def story(client: Client) -> tuple[Sent, str, str]:
        vault = await open_vault(client, None, BUCKETS)
        sent = await through(vault)
        later = await open_vault(client, ring(), BUCKETS)  # somebody sets a key: what was indexed is found again
        return sent, vault.blind("phone", "+8613812341234"), later.blind("phone", "+8613812341234")

    sent, before, after = run(redis_url, story)
    assert dict(sent.patches()[0])["phone"] == "138****1234"
    assert plain_in(*sent.raw) == set()
    assert before == after
    with pytest.raises(Locked, match="MIEN_PII_KEYS"):
        run(redis_url, lambda client: open_vault(client, None, BUCKETS))


def test_two_workers_that_meet_a_customer_at_once_agree_on_one_key(redis_url: str) -> None:
    async def story(client: Client) -> set[str]:
        vaults = [await open_vault(client, ring(), BUCKETS) for _ in range(4)]
        who = [f"u-{n}" for n in range(50)]
        found = await asyncio.gather(*(vault.keys_for(who) for vault in vaults))
        return {str([each[name].id for name in who]) for each in found}

    assert len(run(redis_url, story)) == 1


def test_whoever_destroys_a_customers_key_has_destroyed_every_copy_of_the_traits(redis_url: str) -> None:
    async def story(client: Client) -> None:
        vault = await open_vault(client, ring(), BUCKETS)
        told = dict((await through(vault)).patches()[0])
        token = token_of(told["phone"])
        assert token is not None
        shred: Any = client
        await shred.hdel(keys.data_keys(bucket_of("u-1", BUCKETS)), vault.field_of("u-1"))
        assert await vault.find(["u-1"]) == {}
        vault.forget()
        with pytest.raises(Unreadable):
            (await vault.keys_for(["u-1"]))["u-1"].open(token, "phone")

    run(redis_url, story)


def test_a_store_that_came_back_older_is_given_back_the_keys_that_were_made_since(redis_url: str) -> None:
    """Else what they sealed, which the log still brings, would be lost; but a key that was destroyed stays so."""

    async def story(client: Client) -> None:
        store: Any = client
        vault = await open_vault(client, ring(), BUCKETS)
        known = Suppressed(Regulations(client), vault, BUCKETS)
        token = token_of(dict((await through(vault)).patches()[0])["phone"])
        where, field = bucket_of("u-1", BUCKETS), vault.field_of("u-1")
        await known.refresh()
        assert token is not None
        await store.hdel(keys.data_keys(where), field)
        await known.refresh()
        assert (await vault.find(["u-1"]))["u-1"].open(token, "phone") == TOLD["phone"]

        await store.hdel(keys.data_keys(where), field)
        await store.hset(keys.receipts(where), "r|h", "{}")  # it was an order
        await known.refresh()
        await store.hdel(keys.receipts(where), "r|h")  # and then an older store came back, without the key
        await known.refresh()
        assert await vault.find(["u-1"]) == {}

    run(redis_url, story)


def test_after_a_rotation_the_old_key_is_needed_no_more_and_nothing_sealed_has_changed(redis_url: str) -> None:
    async def story(client: Client) -> tuple[int, int, str]:
        first = await open_vault(client, ring(), BUCKETS)
        told = dict((await through(first)).patches()[0])
        await first.keys_for([f"u-{n}" for n in range(2, 40)])
        both = await open_vault(client, ring(f"{NEW},{OLD}"), BUCKETS)
        done = await both.rotate(), await both.rotate()
        only_new = await open_vault(client, ring(NEW), BUCKETS)
        token = token_of(told["phone"])
        assert token is not None
        assert only_new.blind("phone", "x") == first.blind("phone", "x")
        return *done, (await only_new.find(["u-1"]))["u-1"].open(token, "phone")

    assert run(redis_url, story) == (40, 0, TOLD["phone"])  # 39 customers and the index
    with pytest.raises(Locked, match="'new'"):
        run(redis_url, lambda client: open_vault(client, ring(OLD), BUCKETS))


def test_a_sealed_trait_opens_nowhere_but_where_it_was_sealed() -> None:
    """Neither in another field, nor for another customer, nor with a byte changed."""
    key = DataKey(new_key())
    token = token_of(key.seal("u-1", "phone", "138****1234", "13812341234"))
    assert token is not None
    assert key.open(token, "phone") == "13812341234"
    moved = [(token, "email"), (token._replace(owner="u-2"), "phone")]
    changed = [token._replace(sealed=token.sealed[:i] + b"\0" + token.sealed[i + 1 :]) for i in (0, 12, -1)]
    for one, field in [*moved, *((each, "phone") for each in changed if each != token)]:
        with pytest.raises(Unreadable):
            key.open(one, field)


def test_no_app_can_write_what_looks_sealed(redis_url: str) -> None:
    async def story(client: Client) -> dict[str, Any]:
        vault = await open_vault(client, ring(), BUCKETS)
        real = DataKey(new_key()).seal("u-2", "note", "x", "y")
        return dict((await through(vault, note=real)).patches()[0])

    told = run(redis_url, story)
    assert token_of(told["note"]) is None
    assert mask_of(told["note"]) == told["note"]


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("just-text", "has no name"), ("k:!!", "no base64"), ("k:QUJD", "has 3 bytes"),
        (f"{OLD},{OLD}", "twice"), (f"{'k' * 40}:QUJD", "has no name"),
    ],
    ids=["no colon", "no base64", "short", "twice", "long name"],  # a key is random: processes would name tests apart
)  # fmt: skip
def test_a_ring_that_cannot_be_understood_says_where_and_not_what(setting: str, says: str) -> None:
    with pytest.raises(BadRing, match=says) as fault:
        parse(setting)
    assert OLD.partition(":")[2] not in str(fault.value)


def test_a_private_stack_makes_one_key_that_nobody_else_may_read(tmp_path: Path) -> None:
    first = own_ring(tmp_path / "data")
    assert own_ring(tmp_path / "data") == first
    assert ring(first).names == ("own",)
    assert stat.S_IMODE((tmp_path / "data" / "pii.keys").stat().st_mode) == 0o600


def test_the_commands_rotate_list_and_verify(
    redis_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def customers(client: Client) -> None:
        await (await open_vault(client, ring(), 8)).keys_for(["u-1", "u-2"])

    run(redis_url, customers)
    monkeypatch.setenv("MIEN_REDIS", redis_url)
    monkeypatch.setenv("MIEN_PII_KEYS", f"{NEW},{OLD}")
    assert commands.rotate() == 0
    assert "3 keys" in capsys.readouterr().out
    assert commands.verify("") == 0
    noted = capsys.readouterr().out.rsplit(" ", 1)[1].strip()
    assert commands.rotate() == 0
    assert commands.verify(noted) == 0
    assert commands.show(10, None) == 0
    assert capsys.readouterr().out.count("rotate") >= 2

    run(redis_url, lambda client: client.delete(keys.AUDIT_LOG, keys.AUDIT_HEAD))  # all of it, head and tail
    assert commands.verify("") == 0
    assert commands.verify(noted) == 1
    assert "was noted" in capsys.readouterr().out
