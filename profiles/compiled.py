"""The one place that knows a compiler is used.

A function marked ``@compiled`` is plain Python over arrays; numba makes it fast, and with
``NUMBA_DISABLE_JIT=1`` it runs as written: every kernel is its own slow twin.
Machine code is kept on disk.  Numba notices a change only in the file of the function itself, not in those it calls,
so the folder it keeps code in is named after everything that kernels are made of.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final, ParamSpec, TypeVar

os.environ.setdefault("NUMBA_OPT", "1")  # measured: a third less time to compile, nothing lost when running

import numba  # it reads the setting when it is imported

P = ParamSpec("P")
R = TypeVar("R")

_HERE: Final = Path(__file__).parent
MADE_OF: Final = ("clock", "features", "kinds", "layout", "measures", "operators", "stable")  #: besides kernels/


def _kept_in() -> Path:
    sources = sorted([*(_HERE / "kernels").glob("*.py"), *(_HERE / f"{name}.py" for name in MADE_OF)])
    mark = blake2b(b"".join(path.read_bytes() for path in sources), digest_size=6).hexdigest()
    beside = _HERE / "__pycache__"
    writable = os.access(beside if beside.exists() else _HERE, os.W_OK)
    return (beside if writable else Path(tempfile.gettempdir()) / f"mien-{os.getuid()}") / f"kernels-{mark}"


if not getattr(numba.config, "CACHE_DIR", ""):
    setattr(numba.config, "CACHE_DIR", str(_kept_in()))  # noqa: B010 - numba makes its settings at run time


_UNCOUNTED: Final[dict[str, Any]] = {"_nrt": False}  # numba knows it but does not tell type checkers


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Compile for speed; no Python objects, no global lock, the machine code is kept on disk.

    Nor may it make an array: without reference counts (``_nrt``) a kernel is three times as fast, because every call of
    one kernel by another would count each array it hands over.  What a kernel needs room for it is given.
    """
    fast: Callable[P, R] = numba.njit(cache=True, nogil=True, error_model="numpy", **_UNCOUNTED)(function)
    return fast
