"""Personal data that only somebody with a key can read.

    blind     finds a value again without being able to say it
    ring      the shop's keys, and how they lock other keys
    seal      one customer's key, and traits sealed with it
    audit     who looked, in a chain of which no link changes unseen

Pure: keys are handed in.  Where they are kept is ``store/vault``'s business.
"""
