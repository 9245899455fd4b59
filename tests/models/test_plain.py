"""Nothing in the models can be unpickled, and scoring needs nothing that learns."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

MODELS = Path(__file__).parents[2] / "profiles" / "models"
RUNS_CODE = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "skops"}


@pytest.mark.parametrize("path", sorted(MODELS.glob("*.py")), ids=lambda path: path.stem)
def test_no_module_can_unpickle(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or "", *(alias.name for alias in node.names)]
        elif isinstance(node, ast.Attribute):
            names = [node.attr]
        elif isinstance(node, ast.Name):
            names = [node.id]
        assert not RUNS_CODE & {part for name in names for part in name.split(".")}
        assert not {"load", "loads", "eval", "exec", "allow_pickle"} & set(names)


def test_who_only_scores_does_not_import_river() -> None:
    code = "import profiles.models.params, profiles.models.reasons, profiles.models.segment_params, sys; print('river' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, cwd=MODELS.parents[1])
    assert told.stdout.decode().strip() == "False"
