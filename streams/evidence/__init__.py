"""All that a verification needs, read in an order that lets a running system be judged.

case       what all of them share: what was asked, what was heard so far, the report
rulers     every version of the rules and cut points there was
pinned     what is stored about customers, some at a time, as it is at one moment
raw        the event topics, or the files that stand for them
logs       Mien's own topics: the log of a bucket, what was told
families   customers behind several ids
desk       the alert desk
run        one look at everything

First the pins, then the log up to the pins, then the raw topics up to the log: whatever something is compared with is
there by the time it is read.
"""
