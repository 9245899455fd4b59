"""``mien keys``: API keys on the command line.

Knows: how keys are shown.  Must not know: how they are stored.
"""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from profiles.access import scopes as parsed
from profiles.clock import iso
from profiles.settings import load
from profiles.store.access import list_keys, make_key, revoke_key
from profiles.store.client import ask


def make(name: str, scopes: str) -> int:
    """Make a key and print it, alone on its line, so that a script can take it."""
    print(ask(load().redis, lambda client: make_key(client, name, parsed(scopes.split("+")))))
    return 0


def show() -> int:
    """A table of keys."""
    table = Table("id", "name", "scopes", "made")
    for key in ask(load().redis, list_keys):
        table.add_row(key.id, key.name, "+".join(key.scopes), iso(key.created))
    Console().print(table)
    return 0


def revoke(key: str) -> int:
    """0 if there was such a key."""
    found = ask(load().redis, lambda client: revoke_key(client, key))
    print(f"{key} is revoked" if found else f"there is no key {key}; see `mien keys list`")
    return 0 if found else 1
