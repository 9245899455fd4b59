"""``python -m api``: serve with the settings of the environment."""

from __future__ import annotations

import sys

from pydantic import ValidationError

from api.crew import serve_together
from api.serve import serve
from profiles.errors import MienError
from profiles.logs import to_stderr
from profiles.settings import load


def main() -> int:
    """Serve until a signal; 78 (a fault of the configuration) if it cannot be understood."""
    try:
        settings = load()
        to_stderr(settings)
        if settings.api_workers > 1:
            return serve_together(settings)
        serve(settings)
    except (MienError, ValidationError, OSError) as fault:
        sys.stderr.write(f"mien api: {fault}\n")
        return 78
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
