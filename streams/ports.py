"""Free TCP ports of this machine.

Knows: whether a port can be listened on now.
Must not know: who is going to listen.
"""

from __future__ import annotations

import socket


def pick_port(preferred: int, host: str = "127.0.0.1") -> tuple[int, bool]:
    """A port to listen on, and whether the preferred one was taken; ``preferred=0`` means any.

    Raises:
        OSError: this machine has no address ``host``.
    """
    if preferred:
        try:
            return _try(preferred, host), False
        except OSError:
            pass
    return _try(0, host), preferred != 0


def _try(port: int, host: str) -> int:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # Servers set this too: a port whose last connections are still closing counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))
        probe.listen(1)  # Linux lets two sockets bind with the option above, but only one listen
        return int(probe.getsockname()[1])
