-- One order about some customers of one bucket, all or nothing.  Key names and types: keys.py.
--
-- KEYS   1 checkpoint  2 due  3 counts  4 data keys  5 suppressed  6 receipts  7 outbox, then one a tag,
--        then of each customer `each` keys that are about nobody else
-- ARGV   1 version the work is based on   2 version it makes   3 outbox id ("" for none)   4 outbox payload
--        5 in MessagePack: regulation, subjects (name, hash),
--        each, tags (how many keys), delete (1 or 0), suppress ('yes', 'no', ''), at,
--        counts and fields: name, value, name, value ...: counts to raise, checkpoint fields to set
-- Returns {1, new version}, or {0, stored version} with nothing written.

local call = redis.call

local version = tonumber(call('HGET', KEYS[1], 'v') or '0')
if version ~= tonumber(ARGV[1]) then
  return {0, version}
end

local order = cmsgpack.unpack(ARGV[5])
local FIRST = 7

local function forget(name, hash, place)
  local gone = { profile = 0, traits = 0, timeline = 0, tags = 0 }
  local kinds = { 'profile', 'traits', 'timeline' }
  for i = 1, order.each do
    local kind, key = kinds[i] or 'parts', KEYS[place + i]
    local size = kind == 'timeline' and call('LLEN', key) or call('EXISTS', key)
    gone[kind] = (gone[kind] or 0) + size
    call('DEL', key)
  end
  for i = 1, order.tags do
    gone.tags = gone.tags + call('SREM', KEYS[FIRST + i], name)
  end
  gone.due = call('ZREM', KEYS[2], name)
  gone.key = call('HDEL', KEYS[4], hash)
  return gone
end

for i, subject in ipairs(order.subjects) do
  local name, hash = subject[1], subject[2]
  local place = order.regulation .. '|' .. hash
  local receipt = { at = order.at, gone = {} }
  if order.delete == 1 then
    receipt.gone = forget(name, hash, FIRST + order.tags + (i - 1) * order.each)
  end
  if order.suppress == 'yes' then
    call('HSETNX', KEYS[5], hash, order.at)
  elseif order.suppress == 'no' then
    call('HDEL', KEYS[5], hash)
  end
  call('HSETNX', KEYS[6], place, cjson.encode(receipt)) -- a record that is read twice has done its work the first time
end
if ARGV[3] ~= '' then
  call('XADD', KEYS[7], ARGV[3], 'm', ARGV[4])
end
for i = 1, #order.counts, 2 do
  call('HINCRBY', KEYS[3], order.counts[i], order.counts[i + 1])
end
for i = 1, #order.fields, 2 do
  call('HSET', KEYS[1], order.fields[i], order.fields[i + 1])
end
call('HSET', KEYS[1], 'v', ARGV[2])
return {1, tonumber(ARGV[2])}
