"""The shell on Kafka: consumes, publishes, replays, and the ``mien`` command line.

It carries; ``profiles`` decides.  Nothing here is imported by ``profiles`` or ``api``.
"""
