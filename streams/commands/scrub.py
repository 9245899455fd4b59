"""``mien scrub``: after an erasure nothing of the plaintext is left in topics, nor the key in the files of the store.

Knows: the order of it all, how it is told to people.
Must not know: what may be cut (``streams.scrub``), how a server writes its files (``profiles.store.files``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from redis.exceptions import RedisError
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from profiles.clock import Millis, iso, system_clock
from profiles.errors import MienError, StoreDown
from profiles.settings import Settings, load
from profiles.store.audit import AuditLog
from profiles.store.client import Client, ask, blocking
from profiles.store.erasure import Regulations
from profiles.store.files import NotRewritten, files, replicas, rewritten
from profiles.store.redis import RedisStore
from profiles.vault.audit import Act
from streams.deadletters.letters import letters as all_letters
from streams.deadletters.redrive import not_sent
from streams.scrub import Stretch, Waiting, cut, is_cuttable, of_events, of_letters

PRIVATE = (
    "the private broker cannot cut its topics: it keeps them in memory, and they end with it. Stop `mien up` and start it "
    "again, and what apps wrote is gone; profiles stay"
)


@dataclass(frozen=True)
class Wish:
    """What the command line asked for."""

    letters: bool = False
    yes: bool = False
    dry: bool = False
    seconds: float = 120.0


@dataclass
class Scrubbing:
    """One run of it."""

    settings: Settings
    wish: Wish
    progress: Progress
    console: Console
    begun: Millis = field(default_factory=system_clock)
    stayed: list[str] = field(default_factory=list)  #: what could not be done, and why

    def run(self) -> int:
        """0 if all of it is done; 1 if something stayed.

        Raises:
            MienError: nothing was cut; the message says why.
        """
        cuttable = is_cuttable(self.settings)
        events = of_events(self.settings) if cuttable else []
        letters = of_letters(self.settings) if cuttable and self.wish.letters else []
        lost = self._lost() if letters else 0
        if self.wish.dry:
            self.console.print(shown([*events, *letters], self._files(), "would go"))
            self._tell_of_letters(lost)
        elif lost and not self.wish.yes:
            raise MienError(f"{lost} dead letters were not sent again and would be lost; nothing was cut. "
                            "`mien deadletters redrive` sends what can be used now; --yes cuts them all the same")  # fmt: skip
        if not cuttable:
            self.stayed.append(PRIVATE)
        if not self.wish.dry:
            self._scrub(events, letters)
            self._tell_of_letters(lost)
        for each in self.stayed:
            self.console.print(f"[yellow]stayed:[/] {each}")
        return 1 if self.stayed else 0

    def _scrub(self, events: Sequence[Stretch], letters: Sequence[Stretch]) -> None:
        asked = [*(["events"] if events else []), *(["letters"] if letters else []), "store"]
        gone = ask(self.settings.redis, lambda client: self._cut(client, events, letters, asked))
        names = self._files()
        if self._rewritten():
            ask(self.settings.redis, lambda client: Regulations(client).scrub(self.begun, "store"))
        self.console.print(shown(gone, names, "gone"))

    async def _cut(
        self, client: Client, events: Sequence[Stretch], letters: Sequence[Stretch], asked: Sequence[str]
    ) -> list[Stretch]:
        regulations, shop = Regulations(client), self.settings
        waiting = Waiting(shop, RedisStore(client), regulations, self.progress, self.wish.seconds)
        ready = await waiting.worked_with(events) if events else []
        if open_ := await waiting.obeyed():
            self.stayed.append(
                f"orders that are not obeyed everywhere yet: {', '.join(open_[:5])}; run this again when they are"
            )
        act = Act("cli", "mien scrub", "scrub", "", tuple(asked), "", "done")
        await AuditLog(client).append(act, system_clock())  # before: what is gone must be on record
        await asyncio.to_thread(cut, shop, [*ready, *letters])
        done = [name for name, some in (("events", events), ("letters", letters)) if some]
        if done:
            await regulations.scrub(self.begun, *done)
        return [*ready, *letters]

    def _rewritten(self) -> bool:
        """Whether every server that we know has written all of its files anew."""
        try:
            with blocking(self.settings.redis) as client:
                for file in files(client):
                    task = self.progress.add_task(f"{file.what} of {file.server}", total=1.0)
                    for part in rewritten(file, self.wish.seconds):
                        self.progress.update(task, completed=part)
                if others := replicas(client):
                    self.stayed.append(f"files of {others} replicas of the store: run BGREWRITEAOF on each of them")
                    return False
        except NotRewritten as fault:
            self.stayed.append(str(fault))
            return False
        except RedisError as error:
            raise StoreDown(f"the store failed while its files were written anew: {error}; run this again") from error
        return True

    def _files(self) -> list[str]:
        with blocking(self.settings.redis) as client:
            return [f"{file.what} of {file.server}" for file in files(client)]

    def _lost(self) -> int:
        return ask(self.settings.redis, lambda client: not_sent(client, all_letters(self.settings)))

    def _tell_of_letters(self, lost: int) -> None:
        if lost:
            self.console.print(f"{lost} of the dead letters were never sent again")


def scrub(wish: Wish) -> int:
    """0 if nothing stayed; 1 if something did."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
    )
    console = Console(highlight=False, soft_wrap=True)
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        run = Scrubbing(load(), wish, progress, console)
        code = run.run()
    if not code and not wish.dry:
        console.print(f"nothing that came before {iso(run.begun)} is left there")
    return code


def shown(stretches: Sequence[Stretch], names: Sequence[str], what: str) -> Table:
    """What goes, or went, by topic."""
    table = Table("", "", "not worked with yet", box=None)
    table.columns[1].header, table.columns[1].justify, table.columns[2].justify = what, "right", "right"
    for topic in sorted({each.topic for each in stretches}):
        some = [each for each in stretches if each.topic == topic]
        behind = sum(each.behind for each in some)
        table.add_row(topic, f"{sum(each.records for each in some):,} records", f"{behind:,}" if behind else "")
    for name in names:
        table.add_row(name, "written anew" if what == "gone" else "is written anew", "")
    return table
