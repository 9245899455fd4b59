"""One customer behind many ids: ids are nodes, claims link them, messages merge and part what they own.

Knows: names, who merges into whom, what has to be told to whom.  Must not know: buckets, Kafka, Redis, the time of day.
"""
