"""Whether an error means that Redis is away for a while: the one list of faults that pass by themselves.

Knows: the faults of networks, of servers that start, are full or change roles, and of a Cluster that is moving.
Must not know: what was asked, or what is done about it.
"""

from __future__ import annotations

import re
from socket import gaierror
from typing import Final

from redis.exceptions import ClusterError, RedisClusterException, RedisError, SlotNotCoveredError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from profiles.errors import StoreDown

_PASSING: Final = frozenset(
    {
        "OOM",  # full
        "MISCONF",  # cannot write to disk
        "LOADING",
        "BUSY",  # with a script
        "READONLY",  # became a replica
        "MASTERDOWN",
        "NOREPLICAS",
        "UNBLOCKED",  # a blocking read, cut short by a change of roles
        "CLUSTERDOWN",
        "TRYAGAIN",  # keys of one call are on two nodes while their slot is being moved
    }
)
_SAID: Final = re.compile(rf"\b(?:{'|'.join(sorted(_PASSING))})\b")
_AWAY: Final = (
    StoreDown,
    RedisConnectionError,
    RedisTimeoutError,
    ClusterError,  # sent from node to node too often
    SlotNotCoveredError,
    ConnectionError,
    TimeoutError,
    gaierror,
)
_UNSETTLED: Final = re.compile("cannot be connected|slots are not covered|could not agree|No targets were found")


def away(error: BaseException) -> bool:
    """True if waiting may help: nobody answered, or the server said "not now".

    >>> away(RedisError("LOADING Redis is loading the dataset in memory")), away(RedisError("WRONGTYPE"))
    (True, False)
    """
    if isinstance(error, _AWAY):
        return True
    if isinstance(error, RedisClusterException):
        return _UNSETTLED.search(str(error)) is not None
    if not isinstance(error, RedisError):
        return False
    # redis-py takes the words it knows, such as OOM, out of the message; old servers put them in its middle.
    return error.status_code in _PASSING or _SAID.search(str(error)[:200]) is not None
