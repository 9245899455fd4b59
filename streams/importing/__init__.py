"""Files of history into Kafka.

files      what a file is: its identity, its form, its encoding
pieces     its rows, some thousands at a time, each with its line
digest     rows become events and rejects, and everything that happened to them is counted
position   how far an import is, on disk
publish    events into partitions, and what is in them already
rejects    rows that were refused, with line and reason, for a spreadsheet
tally      what became of the rows, told to the store beside it
run        one file from beginning to end
"""
