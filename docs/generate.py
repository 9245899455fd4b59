"""What the pages repeat from the code, so that they cannot drift: ``python docs/generate.py`` writes it anew.

``features.md`` is made as a whole; the other pages hold a part between ``<!-- from the code: NAME -->`` and
``<!-- end -->`` for each function of ``PARTS``.
Knows: where the code says what a page repeats.  Must not know: what a person writes around it.
"""  # noqa: INP001 - a script beside pages, no package

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, Literal, get_args, get_origin

import typer.main
from prometheus_client.metrics import MetricWrapperBase

import api.metrics
import streams.metrics
from profiles.clock import HOUR, MINUTE, SECOND, Millis
from profiles.deliveries import LADDER
from profiles.features import FEATURES
from profiles.kinds import CALLS, CHANNELS, NAMES, Channel, Kind
from profiles.reasons import REASONS
from profiles.settings import Settings
from profiles.verify.report import KINDS
from streams.cli import app
from streams.topics import Topic, plan

HERE: Final = Path(__file__).parent
PAGES: Final = ("wire.md", "alerts.md", "operations.md")
GROUPS: Final = {
    "who": "基本信息",
    "activity": "活跃",
    "channel": "渠道",
    "orders": "订单",
    "interest": "兴趣",
    "path": "路径",
    "voice": "评价与服务",
    "social": "社交",
    "value": "价值",
    "risk": "风险",
    "standing": "所处位置",
}
ABOUT_FEATURES: Final = """\
# Data dictionary

Everything a rule, a model or a screen can ask about a customer: {count} features. This page is made by
`python docs/generate.py` from `profiles/features.py`; `GET /v1/features` says the same of the release that runs.

- **Days** begin at midnight in the shop's time zone (`MIEN_TIMEZONE`). A window counts whole tiles: `_1h` and `_24h` whole
  hours, `_7d` to `_90d` whole days, `_365d` whole weeks, each with the one that has begun.
- **Money** is in major units of the shop's currency, added up in minor units, so it is exact.
- **Unknown is not zero.** A ratio without a divisor and the days since something that never happened have no value: `null`
  over HTTP, and neither true nor false in a rule (ask with `IS NULL`).
- **In silence**: what the value does while the customer does nothing. Mien works out when that will change a tag.
- A **name** is a text; rules compare it with `=`, `!=` and `IN`.
"""


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Rows as Markdown; a bar inside a cell is escaped."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def features_page() -> str:
    """The data dictionary."""
    parts = [ABOUT_FEATURES.format(count=len(FEATURES))]
    for group in dict.fromkeys(sorted((f.group for f in FEATURES), key=_place)):
        rows = [(f"`{f.name}`", f.zh, f.unit.value, f.meaning, f.silence.value) for f in FEATURES if f.group == group]
        title = f"## {group.capitalize()} {GROUPS.get(group, '')}".rstrip()
        parts.append(f"{title}\n\n{table(('name', '中文名', 'unit', 'meaning', 'in silence'), rows)}\n")
    return "\n".join(parts)


def _place(group: str) -> int:
    return list(GROUPS).index(group) if group in GROUPS else len(GROUPS)


def settings_table() -> str:
    """Every variable, its default and what it is for."""
    rows = []
    for name, field in Settings.model_fields.items():
        choices = [str(each) for each in get_args(field.annotation)] if get_origin(field.annotation) is Literal else []
        meaning = (
            f"{field.description} One of {', '.join(f'`{one}`' for one in choices)}." if choices else field.description
        )
        rows.append((f"`MIEN_{name.upper()}`", _default(field.default), meaning or ""))
    return table(("variable", "default", "meaning"), rows)


def _default(value: Any) -> str:
    if isinstance(value, tuple):
        value = ",".join(value)
    if value is None or value == "":
        return "–"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def topics_table() -> str:
    """Every topic that Mien makes, under default settings."""
    rows = [
        (
            f"`{topic.name}`",
            topic.purpose,
            _partitions(topic),
            f"{topic.keep_days} days",
        )
        for topic in plan(Settings())
    ]
    return table(("topic", "what it carries", "partitions", "kept"), rows)


def _partitions(topic: Topic) -> str:
    if topic.setting:
        return f"`{topic.setting}`"
    return str(topic.partitions) if topic.exact else "any"


def metrics_table() -> str:
    """Every number for Prometheus, and which process has it."""
    rows = []
    for process, module in (("worker", streams.metrics), ("API", api.metrics)):
        for metric in (each for each in vars(module).values() if isinstance(each, MetricWrapperBase)):
            about = next(iter(metric.describe()))
            ending = "_total" if about.type == "counter" else ""
            labels = ", ".join(metric._labelnames)  # noqa: SLF001 - the client shows label names nowhere else
            rows.append((f"`{about.name}{ending}`", about.type, labels, process, about.documentation))
    return table(("metric", "type", "labels", "of", "meaning"), rows)


def commands_table() -> str:
    """Every subcommand of ``mien``."""
    return table(("command", "what it does"), [(f"`{name}`", what) for name, what in commands()])


def commands() -> Iterator[tuple[str, str]]:
    """Name and help of every subcommand."""
    for name, command in _commands(typer.main.get_command(app), "mien"):
        yield name, " ".join((command.help or "").split())


def _commands(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    inner = getattr(command, "commands", None)
    if inner is None:
        yield name, command
    else:
        for each, sub in inner.items():
            yield from _commands(sub, f"{name} {each}")


def events_table() -> str:
    """What an event is counted as, by its name."""
    rows = []
    for kind in Kind:
        names = [name for name, named in NAMES.items() if named is kind]
        calls = [f"`{call}`" for call, called in CALLS.items() if called is kind]
        if names or calls:
            said = [*(f"{call} calls" for call in calls), *(_titled(name) for name in names)]
            rows.append((f"`{kind.name.lower()}`", ", ".join(said)))
    return table(("counted as", "event names; case does not matter"), rows)


def _titled(name: str) -> str:
    return " ".join({"to": "to", "sms": "SMS"}.get(word, word.capitalize()) for word in name.split())


def channels_table() -> str:
    """What a channel may be called."""
    written = {channel: [f"`{name}`" for name, meant in CHANNELS.items() if meant is channel] for channel in Channel}
    rows = [(f"`{channel.name.lower()}`", ", ".join(names)) for channel, names in written.items() if names]
    return table(("channel", "may be written"), rows)


def reasons_table() -> str:
    """Every reason code of the alert desk."""
    return table(("code", "中文", "meaning"), [(f"`{code}`", text.zh, text.en) for code, text in REASONS.items()])


def differences_table() -> str:
    """Every kind of difference that ``mien verify`` may find."""
    return table(("kind", "meaning"), [(f"`{kind}`", meaning) for kind, meaning in KINDS.items()])


def ladder_line() -> str:
    """The pauses before each attempt."""
    return ", ".join(_span(pause) for pause in LADDER)


def _span(pause: Millis) -> str:
    for unit, name in ((HOUR, "h"), (MINUTE, "min"), (SECOND, "s")):
        if pause >= unit:
            return f"{pause // unit} {name}"
    return "at once"


PARTS: Final[dict[str, Callable[[], str]]] = {
    "settings": settings_table,
    "topics": topics_table,
    "metrics": metrics_table,
    "commands": commands_table,
    "event names": events_table,
    "channels": channels_table,
    "reasons": reasons_table,
    "ladder": ladder_line,
    "differences": differences_table,
}


def renewed(page: str) -> str:
    """A page with its parts as the code has them now.

    Raises:
        KeyError: the page asks for a part that nobody makes.
    """

    def part(found: re.Match[str]) -> str:
        return f"{found[1]}\n\n{PARTS[found[2]]()}\n\n{found[3]}"

    return re.sub(r"(<!-- from the code: ([\w ]+) -->)\n.*?(<!-- end -->)", part, page, flags=re.DOTALL)


def pages() -> dict[Path, str]:
    """Every page that takes something from the code, as it should be."""
    out = {HERE / name: renewed((HERE / name).read_text(encoding="utf-8")) for name in PAGES}
    return {HERE / "features.md": features_page()} | out


def main() -> int:
    """Write what differs."""
    for path, text in pages().items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            sys.stdout.write(f"{path.name} is new\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
