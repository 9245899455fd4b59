"""Whether an error means that Redis is away for a while.

Knows: the faults of networks, and of servers that start, are full or change roles.
Must not know: what was asked, or what is done about it.
"""

from __future__ import annotations

from typing import Final

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from profiles.errors import StoreDown

_PASSING: Final = (
    "OOM",
    "MISCONF",
    "LOADING",
    "READONLY",
    "CLUSTERDOWN",
    "TRYAGAIN",
    "MASTERDOWN",
    "NOREPLICAS",
    "BUSY",
)


def away(error: BaseException) -> bool:
    """True if waiting may help: nobody answered, or the server said "not now".

    >>> away(RedisError("LOADING Redis is loading the dataset in memory")), away(RedisError("WRONGTYPE"))
    (True, False)
    """
    if isinstance(error, (StoreDown, RedisConnectionError, RedisTimeoutError, ConnectionError, TimeoutError)):
        return True
    return isinstance(error, RedisError) and any(word in str(error)[:200] for word in _PASSING)
