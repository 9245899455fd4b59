"""The composition root: everything one API process holds, built once and closed once.

Knows: which parts there are and what each is made of.  Must not know: what any of them does.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Final

import structlog
from fastapi import Request

from api.collector import Collector
from api.keybook import KeyBook
from api.live.alerts import AlertFeed
from api.live.profiles import ProfileWatch
from api.naming import Naming
from profiles.access import configured
from profiles.alerts import Alert
from profiles.clock import Clock
from profiles.errors import MienError
from profiles.kernels.__main__ import warm
from profiles.reader import Reader
from profiles.settings import Settings
from profiles.store.access import find_key, list_keys
from profiles.store.alarms import Alarms
from profiles.store.audit import AuditLog
from profiles.store.desk import Desk
from profiles.store.desk_forget import about
from profiles.store.desk_reads import DeskReads
from profiles.store.desk_rows import LedgerLine
from profiles.store.erasure import Regulations
from profiles.store.imports import ImportStore
from profiles.store.quality import QualityStore
from profiles.store.redis import RedisStore, connect
from profiles.store.registry import MetaMismatch, Registry
from profiles.store.vault import Vault, open_vault
from profiles.suppressed import Doorkeeper, Suppressed
from profiles.vault.ring import parse

LISTS_EVERY: Final = 1.0  #: seconds between two looks at who is suppressed
STORE_TIMEOUT: Final = 2.0  #: seconds one command may take; a caller would rather hear "try again" than wait
log = structlog.get_logger("mien")


class Warming(MienError):
    """The kernels are being compiled, which happens once for each release on each machine."""


class House:
    """The parts, wired.

    Raises:
        UnknownScope: MIEN_API_KEYS has an entry that cannot be understood.
        BadRing: MIEN_PII_KEYS has one.
        WrongStore: MIEN_REDIS cannot be understood.
    """

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.settings = settings
        self.clock = clock
        self._client = connect(settings.redis, timeout=STORE_TIMEOUT)
        self.store = RedisStore(self._client)
        self.registry = Registry(self._client)
        self.keys = KeyBook(partial(find_key, self._client), configured(settings.api_keys), clock)
        self.desk = Desk(self._client)
        self.alerts = DeskReads(self._client)
        self.alarms = Alarms(self._client)
        self.qualities = QualityStore(self._client)
        self.imports = ImportStore(self._client)
        self.made_keys = partial(list_keys, self._client)
        self.profile_streams = ProfileWatch(self.reader)
        self.alert_streams = AlertFeed(self.alerts)
        self.naming = Naming(settings)
        self.collector = Collector(settings, clock)
        self.audit = AuditLog(self._client)
        self.regulations = Regulations(self._client)
        self._ring = parse(settings.pii_keys)
        self._vault: Vault | None = None
        self._suppressed: Suppressed | None = None
        self._unknown = False  #: whether the last look at who is suppressed failed
        self._reader = Reader(self.store, self.registry, settings, clock)
        self._opening = asyncio.Lock()
        self._opened = self._settled = self._warmed = False
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin to serve.  A store that is away, or not the right one yet, is asked again by each request."""
        live = (self.profile_streams, self.alert_streams, self.naming)
        self._tasks = [asyncio.create_task(each.run()) for each in live]
        if self.settings.collect:
            with suppress(TimeoutError):  # else events of suppressed customers get as far as intake until then
                await asyncio.wait_for(self._look_who_is_suppressed(), STORE_TIMEOUT)
            self._tasks.append(asyncio.create_task(self._know_who_is_suppressed()))
        self._tasks.append(asyncio.create_task(self._warm()))

    async def reader(self) -> Reader:
        """The reader, opened.

        Raises:
            StoreDown, or another error that ``away`` knows: Redis does not answer.
            WrongStore: MIEN_REDIS is for another kind of store.
            MetaMismatch: the store belongs to a shop with other settings.
            Warming: it is too early.
        """
        if not self._warmed:
            raise Warming("compiling, once for this release on this machine; that takes a minute or two")
        if not (self._opened and self._settled):
            async with self._opening:
                await self._open()
        return self._reader

    async def vault(self) -> Vault:
        """Where the keys are.

        Raises:
            StoreDown: Redis does not answer.
            Locked: MIEN_PII_KEYS does not have the key that this store was locked with.
        """
        if self._vault is None:
            self._vault = await open_vault(self._client, self._ring, self.settings.buckets)
        return self._vault

    async def desk_about(self, ids: Sequence[str]) -> tuple[list[Alert], list[LedgerLine]]:
        """All that the alert desk has about a customer of these ids; it looks through everything, so not for screens."""
        return await about(self._client, frozenset(ids))

    def end_streams(self) -> None:
        """Every live stream ends now, and no new one begins; the server calls it before it waits for answers."""
        self.profile_streams.close()
        self.alert_streams.close()

    async def close(self) -> None:
        """Let go of everything."""
        self.end_streams()
        while self._tasks:  # again: `asyncio.wait_for` of Python 3.11 may swallow a cancellation
            for task in self._tasks:
                task.cancel()
            _, left = await asyncio.wait(self._tasks, timeout=1.0)
            self._tasks = list(left)
        await self.collector.close()
        await self._client.aclose()

    async def ping(self) -> None:
        """Raises an error that ``away`` knows: Redis does not answer."""
        await self._client.ping()

    async def _know_who_is_suppressed(self) -> None:
        while True:
            await asyncio.sleep(LISTS_EVERY)
            await self._look_who_is_suppressed()

    async def _look_who_is_suppressed(self) -> None:
        """What is turned away; if the store does not answer, whoever was known remains so, and intake knows the rest."""
        try:
            if self._suppressed is None:
                vault = await self.vault()
                landing = self.naming.landing(vault.blind)
                self._suppressed = Suppressed(self.regulations, vault, self.settings.buckets)
                self.collector.unwanted = Doorkeeper(self._suppressed, landing)
            await self._suppressed.refresh()
        except Exception as error:
            if not self._unknown:
                log.warning("cannot read who is suppressed; intake still turns them away", error=str(error)[:300])
            self._unknown = True
        else:
            self._unknown = False

    async def _warm(self) -> None:
        """A first read that compiles would hold up everybody, so nobody reads before that is done elsewhere."""
        try:
            await asyncio.to_thread(warm)
        except Exception as error:
            log.warning("cannot compile ahead; the first reads will be slow", error=str(error)[:300])
        self._warmed = True
        try:
            await self.reader()
        except Exception as error:
            log.warning("serving, but not ready", error=str(error)[:300])
        gc.collect()
        gc.freeze()  # what is there by now stays: to look through it for garbage takes longer than a hundred answers

    async def _open(self) -> None:
        if not self._settled:
            self._settled = await self._is_this_shop()
        if not self._opened:
            await self._reader.open()
            self._opened = True

    async def _is_this_shop(self) -> bool:
        """False while no worker has fixed the shop's facts: then there is nothing to read wrongly."""
        await self.registry.reach(self.settings.buckets)
        facts = await self.registry.facts()
        for name in ("buckets", "timezone", "currency"):
            mine = str(getattr(self.settings, name))
            if name in facts and facts[name] != mine:
                raise MetaMismatch(
                    f"profiles in this store were made with {name}={facts[name]}, here it is {mine}: "
                    f"set MIEN_{name.upper()}={facts[name]}"
                )
        return bool(facts)


def house_of(request: Request) -> House:
    """The house that serves a request."""
    house: House = request.app.state.house
    return house
