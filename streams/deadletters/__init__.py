"""Dead letters: read, shown without personal data, mended, sent again once.

letters   the topic, each letter once, as people ask for it
veil      bytes that anybody sent, in a form that may be shown
mend      what a letter's record comes to today: by a mapping, by the dialect it came in, as it is
redrive   what can be used now goes back to where it came from
"""
