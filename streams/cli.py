"""The ``mien`` command: names, options and help of every subcommand.

Knows: how people call Mien.  Must not know: how anything is done (``streams.commands``).
Imports are made when a command runs, so that ``mien --help`` is quick.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer
from redis.exceptions import MovedError, RedisError

from profiles.errors import MienError
from profiles.store.client import A_CLUSTER

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Mien keeps a living profile (画像) of every customer. Try `mien demo`, or `mien up` for an empty stack.",
)
tags = typer.Typer(no_args_is_help=True, help="Check and publish the rules that make tags.")
keys = typer.Typer(no_args_is_help=True, help="Make, list and revoke API keys.")
app.add_typer(tags, name="tags")
deadletters = typer.Typer(no_args_is_help=True, help="Look at what could not be used, and send it again.")
app.add_typer(deadletters, name="deadletters")
sources = typer.Typer(no_args_is_help=True, help="Check how files and other sources become events.")
app.add_typer(sources, name="sources")
models = typer.Typer(no_args_is_help=True, help="What was learned: versions of the churn model, and which one serves.")
app.add_typer(keys, name="keys")
identity = typer.Typer(no_args_is_help=True, help="Who is behind a customer: show, take apart, put together.")
app.add_typer(identity, name="identity")
app.add_typer(models, name="models")
vault = typer.Typer(no_args_is_help=True, help="Keys that personal data is sealed with.")
audit = typer.Typer(no_args_is_help=True, help="Who looked at personal data, or changed what may be kept.")
app.add_typer(vault, name="vault")
app.add_typer(audit, name="audit")

JUDGING = """\
Raw topics are read from their beginning and understood anew; profile-inputs is lived through again in memory; profiles,
tags, due times, counters, timelines, transitions, samples, dead letters and alerts are laid beside what comes out. The
system may go on working: every customer is compared at the checkpoint at which they were read.

Ends with 0: equal. 1: differences, by kind. 2: something that matters cannot be judged; the message says what to do.
"""

FORECASTING = """\
The log is lived through week by week by the same kernels and the same learner that run in the stream. Each forecast is
made with what was known then and judged when its label was: nothing is learned before its time. Columns are found by
their usual names, Chinese ones too; a file without a header has columns 1, 2, 3 ...
"""

IMPORTING = """\
CSV (UTF-8 or GB18030), Excel, Parquet, JSON Lines and 神策 logs. How columns become events stands in a sources.yaml; the
shipped one knows the usual headers, Chinese ones too. Try it first: mien sources check my.yaml --sample orders.csv

Stopped or killed, the same command goes on where it was. A file that was imported is not sent again. Rows that cannot be
used go to a rejects file with line and reason. History makes profiles and tags and never sends an alert or a text.

  mien import orders.csv
  mien import 会员.xlsx --source customers --sheet 2025
  mien import service_log.20260103 --mapping sources.yaml --source sensors
"""

REDRIVING = """\
Each letter goes back to where its record came from, with its ids and the time it first came, so what was counted before
changes nothing. A letter is sent once, however often this is run or killed: Redis remembers which. What would be refused
again is not sent but counted with its reason. Ends with 1 if there is any such letter.

  mien deadletters redrive --dry-run
  mien deadletters redrive --reason unknown_currency          # after MIEN_RATES was set
  mien deadletters redrive --source events.crm --mapping sources.yaml --as crm
"""

Reasons = Annotated[list[str] | None, typer.Option("--reason", help="Only of this reason; may be given again.")]
Sources = Annotated[
    list[str] | None,
    typer.Option("--source", help="Only of this topic (name or glob) or write key; may be given again."),
]
Since = Annotated[str, typer.Option(help="Only since: 24h, 7d, 2026-11-01, 2026-11-01T09:30.")]
AsJson = Annotated[bool, typer.Option("--json", help="Objects instead of a table.")]
SCRUBBING = """\
Whoever is erased is gone from Redis at once. What apps wrote stays in the event topics until their retention ends, in dead
letters for 30 days, and a destroyed key in the append-only file of the store until that is written anew. This cuts the
event topics up to what has surely been worked with, and has every server of the store write its files anew. It waits for
what is under way, loses nothing, and may be run at any time, also while everything works, and as often as you like.

With --letters dead letters go too: those that were not sent again are lost then, so it asks for --yes if there are any.
Ends with 1 if something stayed; it says what.

  mien scrub --dry-run
  mien scrub
  mien scrub --letters --yes
"""

PARTING = """\
Both sides then hold what they would if they had never met: counts and sums to the byte, tags decided anew, nothing sent.
An id leaves with all ids that came through it. Events do not join the two again; `mien identity link` does.

  mien identity show anon:d7f3
  mien identity unmerge anon:d7f3 --from u-1001
"""

Once = Annotated[bool, typer.Option("--once", help="Replay, measure, print the summary and end.")]
Port = Annotated[int, typer.Option("--port", help="Port of the API; another free one is taken if it is busy.")]
Workers = Annotated[int, typer.Option("--workers", min=1, max=16, help="Worker processes.")]


@app.command()
def demo(
    once: Once = False,
    port: Port = 8000,
    workers: Workers = 1,
    households: Annotated[int | None, typer.Option(help="Only the first N households, for a quick look.")] = None,
    days: Annotated[int | None, typer.Option(help="Only the last N days of the year.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of everything that is simulated.")] = 7,
) -> None:
    """Replay a year of a retailer's purchases on this machine, then go on with a live trickle."""
    from streams.commands.demo import Plan, demo

    raise typer.Exit(demo(Plan(once, port, workers, households, days, seed)))


@app.command()
def up(port: Port = 8000, workers: Workers = 1) -> None:
    """Run the whole stack here, empty: broker, Valkey, worker and API. Prints where to send events and read."""
    from streams.commands.stack import up

    raise typer.Exit(up(port, workers))


@app.command()
def worker(
    instance: Annotated[str, typer.Option(help="Stable name of this slot; a restart then keeps its partitions.")] = "",
) -> None:
    """Run one worker against MIEN_BROKER and MIEN_REDIS; run as many as there are cores."""
    from streams.commands.operate import worker

    worker(instance)


@app.command()
def api(
    port: Annotated[int | None, typer.Option("--port", help="Port to listen on; default MIEN_API_PORT.")] = None,
) -> None:
    """Serve profiles, tags and alerts over HTTP."""
    from streams.commands.operate import api

    api(port)


@app.command()
def topics(
    show: Annotated[bool, typer.Option("--show", help="Only show what is there.")] = False,
) -> None:
    """Create the topics that are missing and check the others; safe to repeat."""
    from streams.commands.operate import topics

    raise typer.Exit(topics(show_only=show))


@app.command()
def replay(
    files: Annotated[list[Path], typer.Argument(exists=True, dir_okay=False, help="JSON Lines, one event a line.")],
    topic: Annotated[str, typer.Option(help="Topic to publish to.")] = "events.behavior",
    rate: Annotated[float | None, typer.Option(help="Events a second at most; default as fast as it goes.")] = None,
) -> None:
    """Publish events from files, in their order, keyed by customer."""
    from streams.commands.replay import replay

    raise typer.Exit(replay(files, topic, rate))


@app.command("import", epilog=IMPORTING)
def import_files(
    files: Annotated[list[Path], typer.Argument(exists=True, dir_okay=False, help="CSV, Excel, Parquet, JSON Lines.")],
    source: Annotated[
        str | None, typer.Option(help="Source of the mapping; default: the first whose `files` fit.")
    ] = None,
    mapping: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="A sources.yaml; default: the shipped one.")
    ] = None,
    topic: Annotated[str, typer.Option(help="Topic of history, see MIEN_HISTORY_TOPICS.")] = "events.history",
    sheet: Annotated[str, typer.Option(help="Sheet of a workbook; default: the first.")] = "",
    again: Annotated[bool, typer.Option("--again", help="Send a file once more that was imported before.")] = False,
) -> None:
    """Import history from files; it makes profiles and never sends anything."""
    from streams.commands.importing import Wish, run

    raise typer.Exit(run(Wish(tuple(files), source, mapping, topic, sheet, again)))


@app.command()
def profile(
    customer: Annotated[str, typer.Argument(help="The customer's id.")],
    lang: Annotated[str, typer.Option(help="zh or en.")] = "zh",
    json: Annotated[bool, typer.Option("--json", help="The raw view instead of a card.")] = False,
) -> None:
    """Show one customer as a card in the terminal, read straight from Redis."""
    from streams.commands.card import card

    raise typer.Exit(card(customer, lang, as_json=json))


@app.command()
def doctor(
    quiet: Annotated[bool, typer.Option("--quiet", help="Say nothing, only exit with 0 or 1.")] = False,
) -> None:
    """Say what is missing or out of reach, and what to do about it."""
    from streams.commands.doctor import doctor

    raise typer.Exit(doctor(quiet=quiet))


@app.command(epilog=JUDGING)
def verify(
    files: Annotated[
        list[Path] | None,
        typer.Argument(exists=True, dir_okay=False, help="Events, one a line, instead of the raw topics."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="One object instead of a table.")] = False,
    profiles: Annotated[int | None, typer.Option(min=1, help="Compare only about so many customers.")] = None,
    oracle: Annotated[
        str,
        typer.Option(help="How many customers pandas recomputes from their raw events, or `all`; 10 a second or so."),
    ] = "200",
    topic: Annotated[
        str, typer.Option(help="The topic that the events of files are of: MIEN_SOURCES may name it.")
    ] = "events.behavior",
) -> None:
    """Recompute everything from the log and say where it differs from what is stored and told; changes nothing."""
    from streams.commands.verify import Wish, verify

    if oracle != "all" and not oracle.isdecimal():
        raise typer.BadParameter("a number, or all", param_hint="--oracle")
    raise typer.Exit(verify(Wish(tuple(files or ()), json, profiles, None if oracle == "all" else int(oracle), topic)))


@app.command(epilog=SCRUBBING)
def scrub(
    letters: Annotated[bool, typer.Option("--letters", help="Cut dead letters as well, up to now.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Also if letters are lost that were not sent again.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go; change nothing.")] = False,
    wait: Annotated[float, typer.Option(min=1, help="Seconds that each wait may take.")] = 120.0,
) -> None:
    """Take what apps wrote out of the topics, and destroyed keys out of the store's files: after an erasure."""
    from streams.commands.scrub import Wish, scrub

    raise typer.Exit(scrub(Wish(letters, yes, dry_run, wait)))


@app.command(epilog=FORECASTING)
def evaluate(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="Orders or order lines, CSV or Parquet.")],
    horizon: Annotated[str, typer.Option(help="Lost means no order for so long: 63d or 9w, whole weeks.")] = "63d",
    customer: Annotated[str | None, typer.Option(help="Column that says who ordered.")] = None,
    time: Annotated[str | None, typer.Option(help="Column that says when.")] = None,
    amount: Annotated[str | None, typer.Option(help="Column that says for how much.")] = None,
    order: Annotated[str | None, typer.Option(help="Column of order ids; its lines are summed.")] = None,
    rule: Annotated[str | None, typer.Option(help="Silence of the plain rule; default 90d, or the horizon.")] = None,
    json: Annotated[bool, typer.Option("--json", help="One object instead of tables.")] = False,
) -> None:
    """Say how good the churn forecasts would have been on a log of orders; needs no server, writes nothing."""
    from streams.commands.evaluate import Wish, evaluate

    raise typer.Exit(evaluate(Wish(file, horizon, rule, customer, time, amount, order, json)))


@tags.command("check")
def tags_check(file: Annotated[Path, typer.Argument(exists=True, dir_okay=False)]) -> None:
    """Check a tags file without publishing it: every fault with its line, column and the nearest right name."""
    from streams.commands.tags import check

    raise typer.Exit(check(file))


@tags.command("publish")
def tags_publish(file: Annotated[Path, typer.Argument(exists=True, dir_okay=False)]) -> None:
    """Make a tags file the live version; everybody is decided anew, without any SMS."""
    from streams.commands.tags import publish_file

    raise typer.Exit(publish_file(file))


@sources.command("check")
def sources_check(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A sources.yaml.")],
    sample: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="A file to try it on; nothing is sent.")
    ] = None,
    source: Annotated[
        str | None, typer.Option(help="Source to try; default: the first whose `files` fit the sample.")
    ] = None,
    rows: Annotated[int, typer.Option(min=1, max=100_000, help="Rows of the sample to read.")] = 1000,
    show: Annotated[int, typer.Option(min=0, max=100, help="Rows to show before and after.")] = 3,
    sheet: Annotated[str, typer.Option(help="Sheet of a workbook; default: the first.")] = "",
) -> None:
    """Check a sources.yaml, and what a sample becomes by it: before, after, and every fault. Ends with 1 if there is one."""
    from streams.commands.sources import Wish, check

    raise typer.Exit(check(Wish(file, sample, source, rows, show, sheet)))


@deadletters.command("list")
def deadletters_list(
    reason: Reasons = None,
    source: Sources = None,
    since: Since = "",
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many, the latest.")] = 50,
    json: AsJson = False,
) -> None:
    """List what could not be used, personal data masked."""
    from streams.commands.deadletters import Wish, show_list, split

    raise typer.Exit(show_list(Wish(split(reason), split(source), (), since, limit, json)))


@deadletters.command("show")
def deadletters_show(
    letter: Annotated[str, typer.Argument(help="Its id, as the list shows it: topic/partition/offset.")],
    raw: Annotated[
        bool, typer.Option("--raw", help="Only the bytes, as they were sent, personal data included; goes on record.")
    ] = False,
    reason: Annotated[str, typer.Option(help="Why you look at personal data; needed with --raw.")] = "",
) -> None:
    """Show one dead letter: where it came from, why it was refused, what was sent."""
    from streams.commands.deadletters import show_one

    raise typer.Exit(show_one(letter, raw=raw, reason=reason))


@deadletters.command("count")
def deadletters_count(reason: Reasons = None, source: Sources = None, since: Since = "", json: AsJson = False) -> None:
    """Count what could not be used, by reason and by where it came from."""
    from streams.commands.deadletters import Wish, show_counts, split

    raise typer.Exit(show_counts(Wish(split(reason), split(source), (), since, 0, json)))


@deadletters.command("redrive", epilog=REDRIVING)
def deadletters_redrive(
    reason: Reasons = None,
    source: Sources = None,
    since: Since = "",
    ids: Annotated[list[str] | None, typer.Option("--ids", help="Only these, joined by commas.")] = None,
    mapping: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="A sources.yaml that mends them.")
    ] = None,
    as_source: Annotated[
        str | None, typer.Option("--as", help="Source of the mapping; not needed if it has only one.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would happen; send nothing.")] = False,
) -> None:
    """Send again what can be used now."""
    from streams.commands.deadletters import Wish, send_again, split

    wish = Wish(split(reason), split(source), split(ids), since)
    raise typer.Exit(send_again(wish, mapping, as_source, dry=dry_run))


@keys.command("make")
def keys_make(
    name: Annotated[str, typer.Argument(help="Who will use it.")],
    scopes: Annotated[
        str, typer.Option(help="Of write, read, alerts, privacy, pii:reveal, admin; joined by +.")
    ] = "read",
) -> None:
    """Make a key and print it; it is shown this once."""
    from streams.commands.keys import make

    raise typer.Exit(make(name, scopes))


@keys.command("list")
def keys_list() -> None:
    """List keys, without their secrets."""
    from streams.commands.keys import show

    raise typer.Exit(show())


@keys.command("revoke")
def keys_revoke(key: Annotated[str, typer.Argument(help="The key's id, as `mien keys list` shows it.")]) -> None:
    """Revoke a key at once."""
    from streams.commands.keys import revoke

    raise typer.Exit(revoke(key))


Id = Annotated[str, typer.Argument(help="A userId, an anonymousId, or a name like `mien identity show` has it.")]


@identity.command("show")
def identity_show(
    of: Id, json: Annotated[bool, typer.Option("--json", help="One object instead of a table.")] = False
) -> None:
    """Show all ids of the customer who has this one: who joined whom and when, and what was not believed and why."""
    from streams.commands.identity import show

    raise typer.Exit(show(of, as_json=json))


@identity.command("unmerge", epilog=PARTING)
def identity_unmerge(
    of: Id, root: Annotated[str, typer.Option("--from", help="The customer it is to leave, as `show` names them.")]
) -> None:
    """Take an id, and what came through it, out of a customer."""
    from streams.commands.identity import unmerge

    raise typer.Exit(unmerge(of, root))


@identity.command("link")
def identity_link(one: Id, other: Id) -> None:
    """Say that two ids are one customer. Believed even where an event that shows both is not, up to the limit of ids."""
    from streams.commands.identity import link

    raise typer.Exit(link(one, other))


@models.command("list")
def models_list() -> None:
    """List the latest versions with their quality, and which one serves."""
    from streams.commands.models import show

    raise typer.Exit(show())


@models.command("use")
def models_use(version: Annotated[int, typer.Argument(min=1, help="As `mien models list` shows it.")]) -> None:
    """Go back to a version; it serves until `mien models follow`, while the learner goes on learning."""
    from streams.commands.models import use

    raise typer.Exit(use(version))


@models.command("follow")
def models_follow() -> None:
    """Let what was learned last serve again, and every version after it."""
    from streams.commands.models import follow

    raise typer.Exit(follow())


@vault.command("key")
def vault_key(
    name: Annotated[str, typer.Argument(help="What to call it; a name stands for one key for ever.")],
) -> None:
    """Print a new key for MIEN_PII_KEYS: put it first there, then `mien vault rotate`. Nothing is stored."""
    from streams.commands.vault import key

    raise typer.Exit(key(name))


@vault.command("rotate")
def vault_rotate() -> None:
    """Lock all customers' keys with the first key of MIEN_PII_KEYS; the older ones may go afterwards."""
    from streams.commands.vault import rotate

    raise typer.Exit(rotate())


@audit.command("list")
def audit_list(
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="So many of the latest entries.")] = 50,
    customer: Annotated[str | None, typer.Option(help="Only those about this customer.")] = None,
) -> None:
    """List the latest entries of the audit log."""
    from streams.commands.vault import show

    raise typer.Exit(show(limit, customer))


@audit.command("verify")
def audit_verify(
    noted: Annotated[str, typer.Option(help="NUMBER:HASH that an earlier run printed: the log must still agree.")] = "",
) -> None:
    """Walk the chain of the audit log: each entry holds the hash of the one before. Ends with 1 if it is broken."""
    from streams.commands.vault import verify

    raise typer.Exit(verify(noted))


def main() -> None:
    """The entry point: every expected fault becomes one sentence and exit code 1."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # threads that meet for tiny sums spin while a core is busy
    try:
        app()
    except (MienError, RedisError, OSError) as fault:
        typer.secho(f"mien: {A_CLUSTER if isinstance(fault, MovedError) else fault}", fg="red", err=True)
        if isinstance(fault, RedisError):
            typer.secho("      is MIEN_REDIS right? `mien doctor` looks at everything", err=True)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
