"""How a source's names, columns and units become ours: ``sources.yaml``.

targets    what a column may become, and how it is cleaned on the way
document   the file, read and checked as a whole
records    one record of an export, a Segment call or a line of a 神策 log, in one shape
apply      a record becomes an event as apps send it, with every repair and refusal named
message    the id of a record, the same whenever it is imported
table      records of a table become events all together, sooner; what is not plain is left to apply
slots      which columns become which part of an event
cells      what each value of a column becomes
live       the same as apply for records as they come, by topic or write key
sources.yaml   the file that Mien comes with
"""
