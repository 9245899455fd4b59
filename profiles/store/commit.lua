-- One batch of one bucket, all or nothing.  Key names and types: keys.py.
--
-- KEYS   1 checkpoint  2 due  3 counts  4 outbox, then in this order:
--        profiles, sidecars, timelines (one per entry), tags (one per change)
-- ARGV   1 version the work is based on   2 version it makes
--        3..9 how many: profiles, sidecars, timeline entries, tag changes, counts, checkpoint fields set, fields added
--        10 how many timeline entries are kept   11 outbox id ("" for none)   12 outbox payload
--        then: (blob, due, name) per profile; blob per sidecar; entry per timeline; (sign, name) per tag change;
--        (field, difference) per count; (field, value) per field set; (field, difference) per field added
-- Returns {1, new version}, or {0, stored version} with nothing written.

local version = tonumber(redis.call('HGET', KEYS[1], 'v') or '0')
if version ~= tonumber(ARGV[1]) then
  return {0, version}
end

local profiles, sidecars, entries, changes = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local counts, fields, sums = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9])
local k, a = 5, 13

for _ = 1, profiles do
  redis.call('SET', KEYS[k], ARGV[a])
  redis.call('ZADD', KEYS[2], ARGV[a + 1], ARGV[a + 2])
  k, a = k + 1, a + 3
end
for _ = 1, sidecars do
  redis.call('SET', KEYS[k], ARGV[a])
  k, a = k + 1, a + 1
end
for _ = 1, entries do
  redis.call('LPUSH', KEYS[k], ARGV[a])
  redis.call('LTRIM', KEYS[k], 0, tonumber(ARGV[10]) - 1)
  k, a = k + 1, a + 1
end
for _ = 1, changes do
  redis.call(ARGV[a] == '+' and 'SADD' or 'SREM', KEYS[k], ARGV[a + 1])
  k, a = k + 1, a + 2
end
for _ = 1, counts do
  redis.call('HINCRBY', KEYS[3], ARGV[a], ARGV[a + 1])
  a = a + 2
end
if ARGV[11] ~= '' then
  redis.call('XADD', KEYS[4], ARGV[11], 'm', ARGV[12])
end
for _ = 1, fields do
  redis.call('HSET', KEYS[1], ARGV[a], ARGV[a + 1])
  a = a + 2
end
for _ = 1, sums do
  redis.call('HINCRBY', KEYS[1], ARGV[a], ARGV[a + 1])
  a = a + 2
end
redis.call('HSET', KEYS[1], 'v', ARGV[2])
return {1, tonumber(ARGV[2])}
