-- Some customers of one bucket, and where the bucket stood, at one moment.  Only reads.  Key names and types: keys.py.
--
-- KEYS   1 checkpoint  2 due  3 counts  4 outbox, then the sets of all tags, then per customer: profile, sidecar, timeline
-- ARGV   1 how many tags   2 smallest outbox id wanted   then the customers' names
-- Returns {checkpoint, counts, size of the roster, sizes of the tags, outbox, {per customer: profile, due, sidecar,
-- timeline, 1 or 0 per tag}}.

local call = redis.call
local tags, found, sizes = tonumber(ARGV[1]), {}, {}

for t = 1, tags do
  sizes[t] = call('SCARD', KEYS[4 + t])
end
local k = 5 + tags
for a = 3, #ARGV do
  local held = {}
  for t = 1, tags do
    held[t] = call('SISMEMBER', KEYS[4 + t], ARGV[a])
  end
  found[#found + 1] = {
    call('GET', KEYS[k]), call('ZSCORE', KEYS[2], ARGV[a]), call('GET', KEYS[k + 1]), call('LRANGE', KEYS[k + 2], 0, -1), held,
  }
  k = k + 3
end
return {
  call('HGETALL', KEYS[1]), call('HGETALL', KEYS[3]), call('ZCARD', KEYS[2]), sizes,
  call('XRANGE', KEYS[4], ARGV[2], '+'), found,
}
