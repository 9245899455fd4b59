"""What is measured from outside: each a process of its own, run as ``python -m bench.programs.NAME``.

discard_aiokafka, discard_stock, discard_mien    read and throw away: the ceiling
stock_fold     the profile fold in a stock Faust agent, event by event
stock_counters the least that people write in such an agent: a few counters in Redis
quix_fold      the profile fold in Quix Streams            bytewax_fold   the same in Bytewax
sender         events at a steady rate, whatever happens to them
tally          a number shared with whoever watches
"""
