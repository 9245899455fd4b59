"""What other systems' SDKs send, turned into records of ours: one small file per dialect.

Knows: bodies, headers and query strings as bytes and text, and the Segment-shaped wire format that ``intake`` reads.
Must not know: HTTP servers, keys, Kafka.  A body that is none raises ``Rejected``; one event in it that cannot be used
never spoils the others.
"""
