"""The alert desk at work: transitions in, webhooks and SMS out.

Knows: which part decides, which remembers, which sends, and in what order they are asked.
Must not know: Kafka.  (Whoever reads transitions calls :meth:`AlertDesk.handle`; a timer calls ``deliver_due``.)

    handle       recall · decide · commit          once per batch of one bucket, in order
    deliver_due  claim · gate · attempt · record   for every lane beside the others
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import httpx2
import numpy as np

from profiles.alerts import Policy, Raise, Refuse, Resolve, Rules, ask, decide
from profiles.clock import DAY, HOUR, Clock, zone
from profiles.deliveries import lanes_for
from profiles.erasure import Done, is_erased
from profiles.errors import Stale
from profiles.settings import Settings
from profiles.store.client import Client
from profiles.store.desk import Desk
from profiles.store.desk_forget import forget
from profiles.store.desk_reads import DeskReads
from profiles.store.erasure import Regulations
from profiles.wire import Transition
from streams.courier import Ask, Courier, Words
from streams.lanes import Lanes
from streams.sms import TEMPLATES, Language, SmsProvider, Template
from streams.webhooks import Signer, Webhooks

SLICE = 250  #: transitions in one commit; more would keep Redis busy for too long at a stretch
RACES = 20  #: commits in a row that another worker may win before we stop to believe that it is a race


@dataclass(frozen=True)
class Handled:
    """What became of a batch."""

    raised: int = 0
    resolved: int = 0
    refused: Mapping[str, int] = field(default_factory=dict)  #: reason -> how many
    skipped: int = 0  #: transitions that had been handled before


class AlertDesk:
    """One worker's alert desk.  ``rules`` may be replaced at any time; the next batch sees the new ones."""

    def __init__(
        self,
        settings: Settings,
        redis: Client,
        clock: Clock,
        rules: Rules,
        http: httpx2.AsyncClient,
        sms: SmsProvider | None,
        *,
        names: Mapping[str, str] | None = None,
        templates: Mapping[str, Template] = TEMPLATES,
        language: Language = "zh",
        contact: Ask | None = None,
    ) -> None:
        """``sms=None`` switches SMS off; ``names`` are the features' Chinese names, for the words of an alert;
        ``contact`` says who may be written to.

        Raises:
            streams.webhooks.BadSecret: webhooks are configured, but no usable secret to sign them.
        """
        self.rules = rules
        self._settings = settings
        self._clock = clock
        self._names = dict(names or {})
        self._stale_after = int(settings.stale_hours * HOUR)
        self._lanes = lanes_for(settings.webhook_urls)
        self._desk = Desk(redis)
        self._redis = redis
        self._regulations = Regulations(redis)
        webhooks = None
        if settings.webhook_urls:
            webhooks = Webhooks(http, Signer(settings.webhook_secret), clock, private=settings.webhook_private)
        words = Words(templates, language, contact)
        reads = DeskReads(redis)
        courier = Courier(self._desk, reads, clock, self._lanes, webhooks, sms, words, self._stale_after)
        self._out = Lanes(self._desk, clock, self._lanes, courier)
        self._day = zone(settings.timezone)
        self._budget = asyncio.Lock()  #: ranked alerts of all buckets compete for one day's budget
        self._places: dict[int, int] = {}  #: where each log of transitions is read on, as far as is known here

    async def cursor(self, bucket: int) -> int:
        """The ``seq`` of the last transition of this bucket that is done; reading may start after it."""
        return await self._desk.cursor(bucket)

    async def begin(self, buckets: Sequence[int], read: Mapping[int, int]) -> dict[int, int]:
        """Where to read on in these buckets' logs of transitions; logs that were never read are left out.

        ``read``: how far each was read as Kafka knows, which is never further than the store says, unless it is older.
        """
        self._places = await self._desk.places(buckets)
        if any(read.get(bucket, 0) > place for bucket, place in self._places.items()):
            await self._desk.doubt(self._clock())
        return dict(self._places)

    async def gone_back(self, buckets: Sequence[int]) -> dict[int, int]:
        """Where to read again, if an older store came back: what it has forgotten is still in the logs."""
        stored = await self._desk.places(buckets)
        older = {
            bucket: stored.get(bucket, 0) for bucket in buckets if stored.get(bucket, 0) < self._places.get(bucket, 0)
        }
        if older:
            await self._desk.doubt(self._clock())
        self._places |= older
        return older

    async def handle(self, bucket: int, transitions: Sequence[Transition], then: int | None = None) -> Handled:
        """Decide about transitions of one bucket, in the order of their ``seq``, and commit what follows.

        Those that were handled before are skipped, by whomever.  ``then``: the offset to read on at after them.  When it returns, all is in Redis; when it raises,
        or the process dies on the way, the same call may be made again.

        Raises:
            redis.exceptions.RedisError: the store did not answer.
        """
        done: Counter[str] = Counter()
        parts = list(_parts(transitions))
        for number, part in enumerate(parts, start=1):
            place = then if number == len(parts) else None
            await self._forget(bucket, part)
            if self._settings.alerts_a_day:
                async with self._budget:
                    done += await self._handle(bucket, part, place)
            else:
                done += await self._handle(bucket, part, place)
        if then is not None:
            self._places[bucket] = then
        refused = {name.partition(":")[2]: count for name, count in done.items() if name.startswith("refused:")}
        return Handled(done["raised"], done["resolved"], refused, done["skipped"])

    async def _handle(self, bucket: int, transitions: Sequence[Transition], then: int | None) -> Counter[str]:
        rules = self.rules
        asked = ask(transitions, rules, self._which_day)
        before = 0
        for _ in range(RACES):
            now = self._clock()
            memory = await self._desk.recall(bucket, asked)
            fresh = [one for one in transitions if one.seq > memory.cursor]
            skipped = Counter(skipped=len(transitions) - len(fresh))
            if not fresh and then is None:
                return skipped
            # In a replay the stream has its own time: what was fresh then is fresh.
            told = 0 if self._settings.clock == "stream" else now
            policy = Policy(told, self._stale_after, self._names, self._settings.alerts_a_day, self._which_day)
            decisions = decide(fresh, memory.known, rules, policy)
            upto = fresh[-1].seq if fresh else memory.cursor
            if await self._desk.commit(memory, upto, decisions, self._lanes, now, then):
                return skipped + Counter(map(_name, decisions))
            before = memory.cursor
        raise Stale(bucket, before, await self._desk.cursor(bucket))

    async def _forget(self, bucket: int, transitions: Sequence[Transition]) -> None:
        """Destroy what is kept of those who were erased; all that was said of them before is done by then."""
        erased = [one for one in transitions if is_erased(one)]
        if not erased or erased[-1].seq <= await self._desk.cursor(bucket):
            return
        gone, now = await forget(self._redis, [one.profile for one in erased]), self._clock()
        await self._regulations.forgotten({one.was or "": Done(now, dict(gone[one.profile])) for one in erased})

    def _which_day(self, at: int) -> int:
        return (at + int(self._day.offset[np.searchsorted(self._day.since, at, side="right") - 1])) // DAY

    async def deliver_due(self) -> Counter[str]:
        """Start what is due on every lane that is not at it already; call it once or twice a second.

        Returns at once with what happened since the last call, by channel, outcome and reason (``webhook:delivered``);
        attempts go on beside it, so a lane that hangs holds up nobody.

        Raises:
            redis.exceptions.RedisError: the store did not answer, here or in an attempt since the last call.
        """
        return await self._out.start()

    async def settled(self) -> Counter[str]:
        """Wait until nothing is due any more and nothing is on its way; what happened, as ``deliver_due`` tells it."""
        return await self._out.settled()

    async def close(self, grace: float = 5.0) -> None:
        """Claim nothing more, let attempts end for ``grace`` seconds, then drop them: another worker resumes them."""
        await self._out.close(grace)


def _parts(transitions: Sequence[Transition]) -> Iterator[Sequence[Transition]]:
    """Pieces for one commit each; that somebody was erased stands at the beginning of one, and never beside other news."""
    start = 0
    for at in range(1, len(transitions)):
        if at - start == SLICE or is_erased(transitions[at]) != is_erased(transitions[at - 1]):
            yield transitions[start:at]
            start = at
    yield transitions[start:]


def _name(decision: object) -> str:
    match decision:
        case Raise():
            return "raised"
        case Resolve():
            return "resolved"
        case Refuse(reason):
            return f"refused:{reason}"
        case _:
            return "held"
