"""Profiles for readers: everything a look at some customers needs, in one round trip.

Knows: which keys a reader wants together, and that readers who ask at the same moment may share a round trip.
Must not know: what a blob means, who looks, how fresh an answer must be.
A round trip costs more than what it carries, so on one server all that is asked within one turn of the event loop goes
together: nobody waits for it, and the more is asked at once the less each question costs.  In a Cluster everybody asks
alone, each node that has some of the customers; a node that is away must not fail readers of others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from profiles.store import keys
from profiles.store.base import Checkpoint, from_fields
from profiles.store.client import Client, reaching
from profiles.store.cluster import Cluster

Blobs = tuple[bytes | None, bytes | None]  #: a customer's profile and sidecar
Wanted = Mapping[int, Collection[str]]  #: customers by bucket
TOGETHER: Final = 64  #: questions that share a round trip at most


@dataclass(frozen=True)
class Stored:
    """What was there."""

    profiles: dict[str, Blobs]
    checkpoints: dict[int, Checkpoint]  #: of the buckets that were asked for theirs; never older than the profiles


@dataclass(frozen=True, eq=False)
class _Question:
    wanted: Wanted
    checkpoints: Collection[int]
    answer: asyncio.Future[Stored]


class ProfileReads:
    """The reading side of the store."""

    def __init__(self, client: Client) -> None:
        self._client: Any = client  # its answers are typed bytes-or-text; ours are bytes
        self._alone = isinstance(client, Cluster)
        self._waiting: list[_Question] = []
        self._asking: set[asyncio.Task[None]] = set()

    async def fetch(self, wanted: Wanted, checkpoints: Collection[int]) -> Stored:
        """Customers by bucket, and the checkpoints of these buckets.

        Raises:
            StoreDown: Redis does not answer.
            WrongStore: MIEN_REDIS is for another kind of store.
        """
        if self._alone:
            return await self._ask(wanted, checkpoints)
        loop = asyncio.get_running_loop()
        question = _Question(wanted, checkpoints, loop.create_future())
        self._waiting.append(question)
        if len(self._waiting) == 1:
            loop.call_soon(self._set_off)
        elif len(self._waiting) == TOGETHER:
            self._set_off()
        return await question.answer

    def _set_off(self) -> None:
        """Whoever has asked by now travels together."""
        if self._waiting:
            questions, self._waiting = self._waiting, []
            task = asyncio.create_task(self._answer(questions))
            self._asking.add(task)
            task.add_done_callback(self._asking.discard)

    async def _answer(self, questions: Sequence[_Question]) -> None:
        try:
            if len(questions) == 1:
                found = await self._ask(questions[0].wanted, questions[0].checkpoints)
            else:
                found = await self._ask(_all(each.wanted for each in questions), _each(questions))
        except Exception as error:
            for each in questions:
                if not each.answer.done():
                    each.answer.set_exception(error)
            return
        for each in questions:
            if not each.answer.done():  # who asked may have left
                each.answer.set_result(found)

    async def _ask(self, wanted: Wanted, checkpoints: Collection[int]) -> Stored:
        with reaching():
            return await self._sent(wanted, checkpoints)

    async def _sent(self, wanted: Wanted, checkpoints: Collection[int]) -> Stored:
        names = [(bucket, name) for bucket, some in wanted.items() for name in some]
        asked = [key for bucket, name in names for key in (keys.profile(bucket, name), keys.sidecar(bucket, name))]
        together = len(wanted) == 1 or not self._alone  # one server does not mind which bucket a key is of
        if names and together and not checkpoints:
            blobs, answers = await self._client.mget(asked), list[Any]()
        else:
            blobs, answers = await self._pipelined(asked, checkpoints)
        pairs = zip(blobs[::2], blobs[1::2], strict=True)
        told = map(_checkpoint, answers)
        return Stored(
            {name: pair for (_, name), pair in zip(names, pairs, strict=True)},
            dict(zip(checkpoints, told, strict=True)),
        )

    async def _pipelined(self, asked: Sequence[str], checkpoints: Collection[int]) -> tuple[list[Any], list[Any]]:
        """Checkpoints are asked for last: of what they count, a profile may know less, never more."""
        pipe: Any = self._client.pipeline(transaction=False)
        if self._alone:  # redis-py takes no MGET in a Cluster's pipeline
            for key in asked:
                pipe.get(key)
        elif asked:
            pipe.mget(asked)
        for bucket in checkpoints:
            pipe.hgetall(keys.checkpoint(bucket))
        answers: list[Any] = await pipe.execute()
        of_customers, told = answers[: len(answers) - len(checkpoints)], answers[len(answers) - len(checkpoints) :]
        return of_customers if self._alone else [blob for found in of_customers for blob in found], told


def _all(asked: Iterable[Wanted]) -> dict[int, dict[str, None]]:
    """Every customer that anybody asked for, once."""
    out: dict[int, dict[str, None]] = {}
    for wanted in asked:
        for bucket, names in wanted.items():
            out.setdefault(bucket, {}).update(dict.fromkeys(names))
    return out


def _each(questions: Sequence[_Question]) -> list[int]:
    return sorted({bucket for each in questions for bucket in each.checkpoints})


def _checkpoint(fields: dict[bytes, bytes]) -> Checkpoint:
    return from_fields({name.decode(): int(value) for name, value in fields.items()})
