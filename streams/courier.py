"""One delivery, from the gates to the verdict.

Knows: what must be true just before something leaves, and what each outcome means.
Must not know: queues, leases, when to try again (``lanes``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from profiles.alerts import Alert
from profiles.clock import Clock, Millis
from profiles.deliveries import LADDER, Delivery, Lane, sms_refusal
from profiles.store.desk import Desk, Verdict
from profiles.store.desk_reads import DeskReads
from profiles.store.desk_rows import as_json
from streams.contact import SUPPRESSED, Contact
from streams.sms import Language, Message, NotAccepted, SmsProvider, Template, parts_of, render
from streams.webhooks import TooLarge, Webhooks, payload

SMS_SECONDS: Final = 15.0
Ask = Callable[[str], Awaitable[Contact]]  #: profile -> whether and where it may be written to


@dataclass(frozen=True)
class Again:
    """It did not arrive and may be tried again, not before ``wait`` milliseconds are over."""

    reason: str
    detail: str
    wait: Millis = 0
    payload: str = ""


@dataclass(frozen=True)
class Words:
    """What SMS are made of."""

    templates: Mapping[str, Template]
    language: Language
    contact: Ask | None = None  #: None: nobody refused anything, and no number is known


class Courier:
    """Carries deliveries of every lane; holds no state of its own."""

    def __init__(
        self,
        desk: Desk,
        reads: DeskReads,
        clock: Clock,
        lanes: tuple[Lane, ...],
        webhooks: Webhooks | None,
        sms: SmsProvider | None,
        words: Words,
        stale_after: Millis,
    ) -> None:
        """``lanes``: those that are configured now; ``sms=None``: SMS are off; ``stale_after``: for SMS, in ms."""
        self._desk = desk
        self._reads = reads
        self._clock = clock
        self._lanes = frozenset(lane.id for lane in lanes)
        self._webhooks = webhooks
        self._sms = sms
        self._words = words
        self._stale_after = stale_after

    async def carry(self, one: Delivery) -> Verdict | Again | None:
        """Try once.  None: it was withdrawn in the last moment, and all is said.

        Raises:
            redis.exceptions.RedisError: the store did not answer; the lease will run out.
        """
        if one.attempts > len(LADDER):  # every attempt was made, the last one without a word about its end
            return Verdict("dead", "interrupted", f"the worker vanished in attempt {len(LADDER)}")
        alert = await self._reads.alert(one.alert)
        if alert is None:
            return Verdict("refused", "alert_expired")
        ask = self._words.contact
        contact = await ask(alert.profile) if ask else Contact(None, "")
        if contact.unwanted == SUPPRESSED:  # nobody is to work with this customer any more, so nobody is told either
            return Verdict("refused", SUPPRESSED)
        return await (self._text(one, alert, contact) if one.lane.channel == "sms" else self._post(one, alert))

    async def _post(self, one: Delivery, alert: Alert) -> Verdict | Again:
        if self._webhooks is None or one.lane.id not in self._lanes:
            return Verdict("refused", "endpoint_removed", one.lane.url)
        if await self._desk.disabled(one.lane):
            return Verdict("refused", "endpoint_disabled", one.lane.url)
        try:
            body = payload(alert, one.verb)
        except TooLarge as error:
            return Verdict("dead", "too_large", str(error))
        answer = await self._webhooks.post(one.lane.url, one.id, body)
        if not answer.reason:
            return Verdict("delivered", detail=answer.detail)
        if answer.final:
            disable = answer.detail if answer.gone else ""
            return Verdict("dead", answer.reason, answer.detail, payload=body.decode(), disable=disable)
        return Again(answer.reason, answer.detail, answer.retry_after, body.decode())

    async def _text(self, one: Delivery, alert: Alert, contact: Contact) -> Verdict | Again | None:
        shut = sms_refusal(
            enabled=self._sms is not None,
            alert=alert.state,
            created_at=one.created_at,
            now=self._clock(),
            stale_after=self._stale_after,
            unwanted=contact.unwanted,
        )
        template = self._words.templates.get(alert.policy)
        if self._sms is None or shut:
            return Verdict("refused", shut)
        if template is None:
            return Verdict("refused", "no_template", alert.policy)
        message = self._message(one, alert, template, contact.phone)
        if not await self._desk.begin(one):
            return None
        return await self._send(self._sms, message)

    async def _send(self, sms: SmsProvider, message: Message) -> Verdict | Again:
        """From here on the SMS may be out, whatever happens: only the provider's own "no" allows a second try."""
        try:
            async with asyncio.timeout(SMS_SECONDS):
                receipt = await sms.send(message)
        except NotAccepted as error:
            text = as_json(message)
            if error.retry_after is None:
                return Verdict("dead", "not_accepted", str(error), payload=text)
            return Again("not_accepted", str(error), error.retry_after, text)
        except TimeoutError:
            return Verdict("unknown", "outcome_unknown", f"the provider was silent for {SMS_SECONDS:g} s")
        except Exception as error:
            return Verdict("unknown", "outcome_unknown", f"{type(error).__name__}: {error}")
        return Verdict("sent", detail=f"{receipt.reference}, {message.parts} part(s)")

    def _message(self, one: Delivery, alert: Alert, template: Template, phone: str | None) -> Message:
        text = render(template, self._words.language)
        return Message(
            id=one.id,
            alert=alert.id,
            profile=alert.profile,
            phone=phone,
            policy=alert.policy,
            language=self._words.language,
            text=text,
            parts=parts_of(text),
        )
