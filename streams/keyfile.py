"""The key of a private stack: made once, kept beside its data, readable by its owner alone.

Knows: a file.  Must not know: what the key opens.
In production keys come from whoever keeps secrets there; a machine that makes its own has them beside what they lock.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from profiles.vault.ring import new_entry

NAME: Final = "pii.keys"


def own_ring(data_dir: Path) -> str:
    """The ring of a data directory, as ``MIEN_PII_KEYS`` says it; the first call makes it.

    Raises:
        OSError: it can be neither read nor written.
    """
    path = data_dir / NAME
    data_dir.mkdir(parents=True, exist_ok=True)
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text(encoding="utf-8").strip()
    entry = new_entry("own")
    with os.fdopen(file, "w", encoding="utf-8") as out:
        out.write(entry + "\n")
    return entry
