"""``mien vault``: the keys that personal data is sealed with.  ``mien audit``: who looked at it.

Knows: how both are shown.  Must not know: how anything is sealed or chained.
"""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from profiles.clock import iso, system_clock
from profiles.errors import MienError
from profiles.settings import load
from profiles.store.audit import AuditLog
from profiles.store.client import Client, ask
from profiles.store.vault import open_vault
from profiles.vault.audit import START, Act, Verdict, check
from profiles.vault.ring import new_entry, parse


def key(name: str) -> int:
    """Print a new key as MIEN_PII_KEYS takes it; nothing is stored."""
    print(new_entry(name))
    return 0


def rotate() -> int:
    """Lock every customer's key with the first key of the ring."""
    settings = load()

    async def work(client: Client) -> int:
        vault = await open_vault(client, parse(settings.pii_keys), settings.buckets)
        count = await vault.rotate()
        await AuditLog(client).append(Act("cli", "mien vault rotate", "rotate", "", (), "", "done"), system_clock())
        return count

    count = ask(settings.redis, work)
    print(f"{count} keys were locked anew; older keys of MIEN_PII_KEYS are needed no more")
    return 0


def show(limit: int, customer: str | None) -> int:
    """A table of the latest entries."""
    settings = load()

    async def work(client: Client) -> Table:
        subject = None
        if customer is not None:
            subject = (await open_vault(client, parse(settings.pii_keys), settings.buckets)).field_of(customer)
        table = Table("no.", "when", "who", "what", "customer", "traits", "reason", "outcome")
        for entry in await AuditLog(client).latest(limit):
            act = entry.act
            if subject is None or act.subject == subject:
                who, about = f"{act.name} ({act.by})", customer or act.subject[:8]
                fields = ", ".join(act.fields)
                table.add_row(str(entry.seq), iso(entry.at), who, act.action, about, fields, act.reason, act.outcome)
        return table

    Console().print(ask(settings.redis, work))
    return 0


def verify(noted: str) -> int:
    """0 if the chain is whole, 1 if a link was changed."""
    verdict = ask(load().redis, lambda client: _verdict(client, _noted(noted)))
    if verdict.fault:
        print(f"the chain is broken: {verdict.fault}")
        return 1
    print(f"{verdict.entries} entries, every one follows from the one before")
    print(f"note this elsewhere and give it next time: --noted {verdict.entries}:{verdict.last}")
    return 0


async def _verdict(client: Client, noted: tuple[int, str]) -> Verdict:
    log = AuditLog(client)
    head = await log.head()
    return check([raw async for raw in log.raw()][: head[0]], head, noted)  # what came meanwhile is not looked at


def _noted(text: str) -> tuple[int, str]:
    number, _, last = text.partition(":")
    if not text:
        return 0, START
    if not number.isdecimal() or len(last) != len(START):
        raise MienError("--noted is what `mien audit verify` printed: a number, a colon, 64 hexadecimal digits")
    return int(number), last
