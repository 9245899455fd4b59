"""``mien tags``: check and publish rules.

Knows: how faults are shown and that a new version is told to every bucket in its own log.
Must not know: what a rule means.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from rich.console import Console

from profiles import inputs
from profiles.rules import RuleErrors, load
from profiles.settings import load as settings_from_environment
from profiles.store.client import Client, ask
from profiles.store.registry import Registry
from profiles.store.worlds import publish
from streams.commands.tell import tell

console = Console(stderr=True, highlight=False, soft_wrap=True)


def check(file: Path) -> int:
    """0 if the file may go live."""
    try:
        document = load(file.read_text(encoding="utf-8"), str(file))
    except RuleErrors as faults:
        _show(faults)
        return 1
    Console().print(f"{file}: {len(document.tags)} tags, {len(document.ladders)} ladders, no fault")
    return 0


def publish_file(file: Path) -> int:
    """0 if the file is live now; on a fault the old version stays."""
    settings = settings_from_environment()
    try:
        version = ask(settings.redis, partial(_publish, file))
    except RuleErrors as faults:
        _show(faults)
        console.print("not published: the live version stays as it is")
        return 1
    tell(settings, inputs.Control("rules", version), range(settings.buckets))
    Console().print(f"rules version {version} is live; everybody is being decided anew")
    return 0


async def _publish(file: Path, client: Client) -> int:
    version, _ = await publish(Registry(client), file.read_text(encoding="utf-8"), str(file))
    return version


def _show(faults: RuleErrors) -> None:
    for fault in faults.errors:
        console.print(f"[red]✗[/] {fault}")
