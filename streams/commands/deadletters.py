"""``mien deadletters``: look at what was refused, and send it again.

Knows: how letters and outcomes are shown.  Must not know: how a letter is mended or sent.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from profiles.clock import iso, system_clock
from profiles.errors import MienError
from profiles.privacy import scrubbed
from profiles.settings import Settings, load
from profiles.store.audit import AuditLog
from profiles.store.client import ask
from profiles.vault.audit import Act
from streams.commands.importing import mapping_of
from streams.deadletters.letters import Choice, Letter, letters, moment
from streams.deadletters.mend import Mender, source_of
from streams.deadletters.redrive import Outcome, redrive
from streams.deadletters.veil import said, veiled

out = Console(highlight=False, soft_wrap=True)

WHY: Final[dict[str, str]] = {
    "record_gone": "the record was gone from Kafka when it was set aside; only a packed event is left",
    "not_from_an_app": "it is a message between parts of Mien, not an app's; see `mien verify`",
    "no_topic": "its topic or partition is not there any more; make it, or replay the bytes into another",
    "unknown_dialect": "the dialect it came in is unknown here; try --mapping",
    "skipped": "left out, as the mapping says",
}
STATES: Final = ("sent", "would_be_sent", "already", "refused", "skipped", "impossible")


@dataclass(frozen=True)
class Wish:
    """Which letters, and how to show them."""

    reasons: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    since: str = ""
    limit: int = 50
    as_json: bool = False


def show_list(wish: Wish) -> int:
    """The latest letters, oldest first; 0 whether there are any or not."""
    settings = load()
    kept = deque(_chosen(settings, wish), maxlen=wish.limit)
    if wish.as_json:
        for letter in kept:
            print(json.dumps(_told(letter), ensure_ascii=False))
        return 0
    table = Table("id", "since", "reason", "detail", "what was sent", box=None)
    for letter in kept:
        table.add_row(
            letter.id, iso(letter.at), letter.reason, *map(escape, (said(letter.detail)[:60], _start(letter)))
        )
    out.print(table if kept else "no dead letters like that")
    return 0


def show_one(name: str, *, raw: bool, reason: str = "") -> int:
    """Everything about one letter; its bytes only for a reason, and on record before they are shown.

    Raises:
        MienError: there is no such letter, or no reason.
        StoreDown: it cannot be written down now.
    """
    settings = load()
    if raw and not reason.strip():
        raise MienError("--raw shows personal data in plain and goes on record: say why with --reason '...'")
    found = next((letter for letter in letters(settings) if letter.id == name), None)
    if found is None:
        raise MienError(f"there is no dead letter {name}; `mien deadletters list` shows their ids")
    if raw:
        act = Act("cli", "mien deadletters show", "letter", "", (name,), scrubbed(reason.strip()), "done")
        ask(settings.redis, lambda client: AuditLog(client).append(act, system_clock()))
        out.file.flush()
        out.file.buffer.write(found.value + b"\n")  # type: ignore[attr-defined]  # bytes, whatever they are
        return 0
    for key, value in _told(found).items():
        out.print(f"[bold]{key:9}[/] {escape(str(value))}")
    return 0


def show_counts(wish: Wish) -> int:
    """How many letters there are, by reason and source."""
    counts: Counter[tuple[str, str, str]] = Counter()
    for letter in _chosen(load(), wish):
        counts[letter.reason, letter.topic, letter.source] += 1
    if wish.as_json:
        rows = [{"reason": r, "topic": t, "source": s, "letters": n} for (r, t, s), n in counts.most_common()]
        print(json.dumps(rows, ensure_ascii=False))
        return 0
    table = Table("reason", "topic", "write key", box=None)
    table.add_column("letters", justify="right")
    for (reason, topic, source), n in counts.most_common():
        table.add_row(reason, topic, source, f"{n:,}")
    table.add_row("", "", "", f"{counts.total():,}")
    out.print(table)
    return 0


def send_again(wish: Wish, mapping: Path | None, source: str | None, *, dry: bool) -> int:
    """0 if every chosen letter is in Kafka or was before; 1 if some cannot be used as they are."""
    settings = load()
    mender = Mender(settings, source_of(mapping_of(mapping), source) if mapping else None)
    choice, oldest, chosen, missing = _choice(settings, wish), system_clock(), [], set(wish.ids)
    for letter in letters(settings):
        oldest = min(oldest, letter.at)
        if choice.takes(letter):
            missing.discard(letter.id)
            chosen.append(replace(letter, detail=""))
    if missing:
        raise MienError(f"there is no dead letter {min(missing)}; `mien deadletters list` shows their ids")
    counts = asyncio.run(redrive(settings, chosen, mender, dry=dry, oldest=oldest))
    out.print(outcomes(counts))
    return 1 if any(each.state in ("refused", "impossible") for each in counts) else 0


def outcomes(counts: Counter[Outcome]) -> Table:
    """What became of the letters, by what they had been refused for."""
    table = Table("outcome", "refused for", "now", "", box=None)
    table.add_column("letters", justify="right")
    for each, n in sorted(counts.items(), key=lambda found: (STATES.index(found[0].state), found[0])):
        table.add_row(each.state, each.reason, each.why, WHY.get(each.why, ""), f"{n:,}")
    table.add_row("", "", "", "", f"{counts.total():,}")
    return table


def _choice(settings: Settings, wish: Wish) -> Choice:
    since = moment(wish.since, system_clock(), settings.timezone) if wish.since else 0
    return Choice(frozenset(wish.reasons), wish.sources, frozenset(wish.ids), since)


def _chosen(settings: Settings, wish: Wish) -> Iterator[Letter]:
    choice = _choice(settings, wish)
    return (letter for letter in letters(settings) if choice.takes(letter))


def _start(letter: Letter) -> str:
    return " ".join(veiled(letter.value).split())[:80]


def _told(letter: Letter) -> dict[str, Any]:
    fields: dict[str, Any] = {
        name: value for name, value in asdict(letter).items() if value not in ("", 0) and name not in ("value", "about")
    }
    times: dict[str, Any] = {name: iso(fields[name]) for name in ("at", "received") if name in fields}
    about = {name: said(value.decode("utf-8", "replace")) for name, value in letter.about}
    return {"id": letter.id, **fields, **about, **times, "detail": said(letter.detail), "sent": veiled(letter.value)}


def split(given: Sequence[str] | None) -> tuple[str, ...]:
    """Values given one by one or joined by commas.

    >>> split(["a,b", "c"])
    ('a', 'b', 'c')
    """
    return tuple(part.strip() for each in given or () for part in each.split(",") if part.strip())
