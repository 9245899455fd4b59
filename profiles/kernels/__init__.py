"""Plain loops over a customer's row, compiled.

``rings`` remember a bounded past · ``fold`` one event into a row · ``merge`` two rows into one · ``derive`` a row at a
moment into features · ``decide`` rules over features · ``horizon`` when silence will change an answer ·
``advance`` a row through its events · ``pack`` rows to bytes and back.
They know slots and tables; they must not know names, strings or storage.
"""
