"""Measurements: what Mien costs, each beside a peer doing the same work on the same machine in the same run.

    __main__   the command line: ``python -m bench --help``
    parts      the list of parts, in the order in which they are told
    ceiling, peers, update, workers, latency, reads, sweep, memory, rules     one part each
    profile    where the time of the update path goes (py-spy)
    data       events: seeded synthetic ones, and the Complete Journey
    fold       the only file that knows how the update path is called
    filling    stores of many customers          ticks      silences decided while events are applied
    backlog    whole workers over a full log         contest    one program over a log
    preload    events into a broker's log, before or while somebody reads it
    servers    private brokers, Valkey, workers, API       watch     CPU seconds, wall time and memory of processes
    programs   what is run as a process of its own: the peers, the sender
    machine    what is written beside every number          report    results.json and RESULTS.md

Nothing here is a test: numbers are reported, never asserted.  What must be true (nothing lost, nothing counted twice)
is asserted in ``tests``.
"""
