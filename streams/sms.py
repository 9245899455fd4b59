"""Rescue SMS: what they say, and the providers that send them.

Knows: templates, how many parts a text costs, the providers that need no account.
Must not know: when a message is due, or whether it may be sent at all.

No provider has an idempotency key.  A send whose outcome is unknown is never repeated; only a provider that says
:class:`NotAccepted` is asked again.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, Protocol

import msgspec

from profiles.alerts import Text
from profiles.clock import Clock, Millis, iso
from profiles.errors import MienError
from profiles.settings import Settings

Language = Literal["zh", "en"]

ONE_PART, EACH_PART = 70, 67  #: characters of a text that fits one message, and of each part of a longer one
OPT_OUT: Final = Text(zh="拒收请回复R", en="Reply R to opt out")


class Template(msgspec.Struct, frozen=True):
    """What a policy says.  Marketing must tell how to refuse more of it, at the end."""

    text: Text
    marketing: bool = True


TEMPLATES: Final[Mapping[str, Template]] = {
    "churn_rescue": Template(
        Text(
            zh="好久不见！店里上新了不少好物，期待您回来看看，有任何需要请随时联系我们。",
            en="It has been a while! There is much new in the shop, and we are here if you need anything.",
        )
    ),
}
"""Policy -> template.  A policy that is not here sends no SMS."""


class Message(msgspec.Struct, frozen=True):
    """One SMS.  ``id`` goes to the provider as its reference; ``phone`` is masked, or None if it is not known."""

    id: str
    alert: str
    profile: str
    phone: str | None
    policy: str
    language: Language
    text: str
    parts: int


class Receipt(msgspec.Struct, frozen=True):
    """The provider has it: under this reference."""

    reference: str


class NotAccepted(MienError):
    """The provider certainly did not take the message.

    ``retry_after`` is how long it asks to be left alone, in milliseconds; None: asking again cannot help.
    """

    def __init__(self, message: str, *, retry_after: Millis | None = 0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class SmsProvider(Protocol):
    """Somebody who sends SMS."""

    async def send(self, message: Message) -> Receipt:
        """Hand one message over.

        Raises:
            NotAccepted: it was certainly not sent.  Any other error means that nobody knows.
        """


def render(template: Template, language: Language) -> str:
    """The whole text, with the way to refuse at the end of marketing.

    >>> render(TEMPLATES["churn_rescue"], "zh").endswith("拒收请回复R")
    True
    """
    text = template.text.zh if language == "zh" else template.text.en
    if not template.marketing:
        return text
    return f"{text}{OPT_OUT.zh}" if language == "zh" else f"{text} {OPT_OUT.en}"


def parts_of(text: str) -> int:
    """How many messages a text is sent, and paid, as.

    >>> [parts_of("好" * many) for many in (1, 70, 71, 134, 135)]
    [1, 1, 2, 2, 3]
    """
    length = len(text.encode("utf-16-le")) // 2  # the network counts UTF-16 units: an emoji is two
    return 1 if length <= ONE_PART else -(-length // EACH_PART)


def mask_phone(phone: str) -> str:
    """A phone number that a clerk recognises and nobody can call.

    >>> mask_phone("13812345678"), mask_phone("+8613812345678"), mask_phone("+14155550123"), mask_phone("12")
    ('138****5678', '138****5678', '+14*******23', '****')
    """
    digits = "".join(one for one in phone if one.isascii() and (one.isdigit() or one == "+"))
    local = digits.removeprefix("+86")
    if len(local) == 11 and local.startswith("1"):
        return f"{local[:3]}****{local[-4:]}"
    return f"{digits[:3]}{'*' * (len(digits) - 5)}{digits[-2:]}" if len(digits) >= 8 else "****"


@dataclass(frozen=True)
class ConsoleProvider:
    """Prints messages; for development."""

    async def send(self, message: Message) -> Receipt:
        """Print one line to standard output."""
        to = message.phone or message.profile
        sys.stdout.write(f"[SMS {message.parts}] -> {to}: {message.text}\n")
        sys.stdout.flush()
        return Receipt(f"console-{message.id}")


@dataclass(frozen=True)
class FileProvider:
    """Appends messages to a file, one JSON object a line; several workers may share it."""

    path: Path
    clock: Clock

    async def send(self, message: Message) -> Receipt:
        """Append one line and have it on disk.

        Raises:
            NotAccepted: the file cannot be opened.
        """
        return await asyncio.to_thread(self._append, message)

    def _append(self, message: Message) -> Receipt:
        line = msgspec.json.encode({"at": iso(self.clock()), **msgspec.to_builtins(message)}) + b"\n"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        except OSError as error:
            raise NotAccepted(f"cannot open {self.path}: {error.strerror}; is MIEN_DATA_DIR writable?") from error
        try:
            if os.write(file, line) < len(line):  # one call: lines of two workers never mix
                raise OSError(f"{self.path} took only a part of the line; is the disk full?")
            os.fsync(file)
        finally:
            os.close(file)
        return Receipt(f"file-{message.id}")


def provider(settings: Settings, clock: Clock) -> SmsProvider | None:
    """The provider that the settings name; None if SMS are off."""
    if settings.sms == "off":
        return None
    return FileProvider(settings.data_dir / "sms.log", clock) if settings.sms == "file" else ConsoleProvider()
