"""Commands written to the protocol in C.

redis-py's asyncio side reads answers with hiredis but writes commands in Python, 0.7 µs a word; a commit has thousands
of words.  Its blocking side writes them with hiredis, and so does this.
Knows: how redis-py's connections write.  Must not know: commands, keys, what is stored.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import hiredis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import DataError


@cache
def in_c(plain: type[AbstractConnection]) -> type[AbstractConnection]:
    """The same sort of connection, but for how it writes commands."""

    class Written(plain):  # type: ignore[misc,valid-type]  # any sort: TCP, TLS, Unix socket
        def pack_command(self, *args: Any) -> list[bytes]:
            """One command as bytes.

            Raises:
                DataError: a word of it is no text, bytes or number.
            """
            head = args[0].encode() if isinstance(args[0], str) else args[0]
            words = (*head.split(), *args[1:]) if b" " in head else args  # redis-py has commands of two words
            try:
                return [hiredis.pack_command(words)]
            except TypeError as fault:
                raise DataError(str(fault)) from fault

    return Written
