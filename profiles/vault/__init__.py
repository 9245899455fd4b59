"""Personal data that only somebody with a key can read.

    blind     finds a value again without being able to say it

Pure: keys are handed in.  Where they are kept is ``store/vault``'s business.
"""
