"""Reliance: numba.  ``profiles/compiled.py`` is the one place that knows it; kernels are its own slow twins."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import FunctionType
from typing import Any, Final

import numba
import numpy as np
import pytest

from profiles import compiled
from profiles.kernels import derive, fold

JIT: Final = not isinstance(fold.fold, FunctionType)
needs_jit = pytest.mark.skipif(not JIT, reason="NUMBA_DISABLE_JIT is set: the kernels run as plain Python")


@needs_jit
def test_division_by_zero_gives_what_numpy_gives() -> None:
    """``error_model="numpy"``: inf and nan instead of ``ZeroDivisionError``.

    Relied on by ``profiles/kernels/derive.py``: a ratio without a denominator is unknown (nan), and a worker does not
    fall over a customer without orders.
    """

    @numba.njit(error_model="numpy")
    def ratio(a: float, b: float) -> float:
        return a / b

    assert np.isnan(ratio(0.0, 0.0))
    assert ratio(1.0, 0.0) == np.inf
    kernel: Any = fold.fold
    assert kernel.targetoptions["error_model"] == "numpy"
    assert kernel.targetoptions["nogil"] is True


@needs_jit
def test_whole_numbers_stay_whole_and_wrap_like_numpy() -> None:
    """int64 in, int64 arithmetic, no promotion to float; shifts and bit operations keep all 63 bits.

    Relied on by all of ``profiles/kernels``: message keys use the full width, money is in minor units.
    """

    @numba.njit(error_model="numpy")
    def work(values: Any) -> Any:
        values[1] = values[0] << 31 | 5
        values[2] = values[1] >> 31
        values[3] = values[0] * 1_000_003 % 1_000_000_007
        values[4] = -7 // 2

    values = np.array([2**32 - 1, 0, 0, 0, 0], np.int64)
    work(values)
    assert values.tolist()[1:] == [(2**32 - 1) << 31 | 5, 2**32 - 1, (2**32 - 1) * 1_000_003 % 1_000_000_007, -4]


@needs_jit
def test_machine_code_is_kept_in_a_folder_named_after_its_sources() -> None:
    """Setting ``numba.config.CACHE_DIR`` after the import is honoured by what is decorated afterwards.

    Relied on by ``profiles/compiled.py``.  Numba looks only at the file of a function, not at those it calls: without
    the name a changed ring would go on running inside an unchanged fold.
    """
    kept = Path(os.environ["NUMBA_CACHE_DIR"]) if os.environ.get("NUMBA_CACHE_DIR") else compiled._kept_in()
    for kernel in (fold.fold, derive.derive):
        cache: Any = kernel
        assert kept in Path(cache._cache.cache_path).parents


def test_a_compiler_that_is_off_leaves_plain_functions() -> None:
    """``NUMBA_DISABLE_JIT=1``: ``njit`` returns the function itself.

    Relied on by ``tests/laws``: every kernel has a slow twin, the same source without the compiler.
    """
    program = "from profiles.kernels.fold import fold; import types; print(isinstance(fold, types.FunctionType))"
    ran = subprocess.run(
        [sys.executable, "-c", program], env={"NUMBA_DISABLE_JIT": "1", "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert ran.stdout.strip() == "True"
