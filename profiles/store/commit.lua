-- One batch of one bucket, all or nothing.  Key names and types: keys.py.
--
-- KEYS   1 checkpoint  2 due  3 counts  4 outbox, then in this order:
--        profiles, sidecars, timelines (one per customer), tags (one per tag and way), parts (one per customer)
-- ARGV   1 version the work is based on   2 version it makes   3 how many timeline entries are kept
--        4 outbox id ("" for none)   5 outbox payload   6 bytes: profiles, sidecars, timeline entries and parts, each kind
--        in the order of its keys, a customer's entries oldest first   7 in MessagePack, as its reader in Lua knows no
--        bytes that are not text, a list of lists:
--          profiles, sidecars       how long each is in the bytes
--          timelines                how long each entry is, a list a customer
--          dues                     moment, name, moment, name ...: of whom it changed
--          tags                     in the order of their keys: 'SADD' or 'SREM', then names
--          counts, fields, sums     name, value, name, value ...: counts to raise, checkpoint fields to set, to raise
--          parts                    in the order of their keys: name, how long, name, how long ...
--          left                     names whom silence does not touch any more
--        Values in it are texts, for a number of Lua has 53 bits.
-- Returns {1, new version}, or {0, stored version} with nothing written.

local call, AT_ONCE = redis.call, 1000 -- words after the key of one command: Lua's stack has room for 8 000

local version = tonumber(call('HGET', KEYS[1], 'v') or '0')
if version ~= tonumber(ARGV[1]) then
  return {0, version}
end

local function said(command, key, words, from)
  for i = from, #words, AT_ONCE do
    call(command, key, unpack(words, i, math.min(i + AT_ONCE - 1, #words)))
  end
end

local bytes, at = ARGV[6], 1
local function piece(length)
  at = at + length
  return string.sub(bytes, at - length, at - 1)
end

local profiles, sidecars, timelines, dues, tags, counts, fields, sums, parts, left = unpack(cmsgpack.unpack(ARGV[7]))
local k = 4

for _, blobs in ipairs({ profiles, sidecars }) do
  for _, length in ipairs(blobs) do
    k = k + 1
    call('SET', KEYS[k], piece(length))
  end
end
for _, entries in ipairs(timelines) do
  k = k + 1
  for i, length in ipairs(entries) do
    entries[i] = piece(length)
  end
  if call('LPUSH', KEYS[k], unpack(entries)) > tonumber(ARGV[3]) then
    call('LTRIM', KEYS[k], 0, ARGV[3] - 1)
  end
end
said('ZADD', KEYS[2], dues, 1)
for _, names in ipairs(tags) do
  k = k + 1
  said(names[1], KEYS[k], names, 2)
end
for _, names in ipairs(parts) do
  k = k + 1
  for i = 2, #names, 2 do
    names[i] = piece(names[i])
  end
  said('HSET', KEYS[k], names, 1)
end
said('ZREM', KEYS[2], left, 1)
for i = 1, #counts, 2 do
  call('HINCRBY', KEYS[3], counts[i], counts[i + 1])
end
if ARGV[4] ~= '' then
  call('XADD', KEYS[4], ARGV[4], 'm', ARGV[5])
end
said('HSET', KEYS[1], fields, 1)
for i = 1, #sums, 2 do
  call('HINCRBY', KEYS[1], sums[i], sums[i + 1])
end
call('HSET', KEYS[1], 'v', ARGV[2])
return {1, tonumber(ARGV[2])}
