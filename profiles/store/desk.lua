-- The alert desk: whatever must change together changes here, in one call.
--
-- Usage: <verb> with ARGV[1] = verb.  KEYS[1..15] are always the same and are named below; KEYS[16..] belong to the
-- verb.  Every key carries the tag {alerts}; none is put together here.  Meaning of the keys: keys.py.
--
--   commit       one batch of decisions of one bucket, if its cursor still is where they were made
--   claim        due deliveries of one lane, for one worker, until its lease ends
--   begin        the last step before an SMS leaves; from here on a crash means "unknown", never "again"
--   finish       a delivery is over: delivered, sent, refused, unknown or dead
--   retry        it failed and has another chance later
--   acknowledge  somebody has taken an alert in hand
--
-- A delivery is `pending` until it is over; an SMS passes through `sending`.

local CURSOR, COUNTS, FEED, LEDGER, DEAD = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local ALL, IN = KEYS[6], { open = KEYS[7], acknowledged = KEYS[8], resolved = KEYS[9] }
local OPEN, CAUSES, LANES, DISABLED, STAKES = KEYS[10], KEYS[11], KEYS[12], KEYS[13], KEYS[14]
-- KEYS[15]: the queue of the lane (claim, begin, finish, retry); the cursor again in other verbs
local QUEUE, FIRST = KEYS[15], 16

local FEED_CAP, LEDGER_CAP, DEAD_CAP, INDEX_CAP = '100000', '100000', '10000', 200000
local DELIVERY_SECONDS, ALERT_SECONDS = 30 * 86400, 180 * 86400
local DOUBT_MS = 86400 * 1000 -- so long after an older store came back nobody knows who has heard what

local call = redis.call

-- A line of the ledger, as a flat list of names and values, and its counter.
local function note(line, counter)
  call('XADD', LEDGER, 'MAXLEN', '~', LEDGER_CAP, '*', unpack(line))
  call('HINCRBY', COUNTS, counter, 1)
end

local function publish(type, data)
  call('XADD', FEED, 'MAXLEN', '~', FEED_CAP, '*', 'type', type, 'data', data)
end

local function move(id, key, to)
  local row = call('HMGET', key, 'state', 'number')
  call('HSET', key, 'state', to)
  call('ZREM', IN[row[1]], id)
  call('ZADD', IN[to], row[2], id)
end

-- One more delivery, due at `due`.
local function queue(one, due)
  call('HSET', KEYS[one.key], unpack(one.fields))
  call('ZADD', KEYS[one.queue], due, one.id)
  call('HSET', LANES, one.lane, one.url)
end

local function over(key, queued, id, state)
  call('HSET', key, 'state', state)
  call('HDEL', key, 'lease')
  call('ZREM', queued, id)
  call('EXPIRE', key, DELIVERY_SECONDS)
end

-- What is still to be said about an alert that has just ended: nothing new, and its end to whoever may have heard of
-- its beginning.  The end waits for a beginning that is on the wire now.
local function wind_up(one, now)
  local row = call('HMGET', KEYS[one.key], 'state', 'attempts', 'lease')
  local state, due = row[1], now
  if state == 'pending' then
    local lease_ends = call('ZSCORE', KEYS[one.queue], one.id)
    if row[3] and lease_ends and tonumber(lease_ends) > tonumber(now) then due = lease_ends end
    over(KEYS[one.key], KEYS[one.queue], one.id, 'withdrawn')
    note(one.withdrawn, one.counter)
  end
  local older = tonumber(call('HGET', CURSOR, 'older') or '0')
  -- What is no longer kept ended long ago; what an older store takes for never tried may have arrived.
  local heard = not state or tonumber(row[2]) > 0 or tonumber(now) - older < DOUBT_MS
  if heard and one.ending then queue(one.ending, due) end
end

local apply = {}

apply['raise'] = function(op, now)
  local number = call('HINCRBY', COUNTS, 'raised', 1)
  call('HSET', KEYS[op.key], 'alert', op.alert, 'number', number, 'state', 'open', 'causes', op.causes,
    'deliveries', op.delivery_ids)
  call('ZADD', ALL, number, op.id)
  call('ZADD', IN.open, number, op.id)
  call('ZADD', STAKES, op.stake, op.id)
  call('HSET', OPEN, op.open, op.id)
  call('HSET', CAUSES, op.cause, op.id)
  publish(op.type, op.alert)
  for _, one in ipairs(op.deliveries) do queue(one, now) end
end

apply['hold'] = function(op)
  call('HSET', KEYS[op.key], 'causes', op.causes)
  if op.came then call('HSET', CAUSES, op.came, op.id) end
  if op.left then call('HDEL', CAUSES, op.left) end
end

apply['resolve'] = function(op, now)
  move(op.id, KEYS[op.key], 'resolved')
  call('ZREM', STAKES, op.id)
  call('HINCRBY', COUNTS, 'resolved', 1)
  call('HSET', KEYS[op.key], 'resolved_at', op.at, 'causes', '[]')
  call('EXPIRE', KEYS[op.key], ALERT_SECONDS)
  call('HDEL', OPEN, op.open)
  call('HDEL', CAUSES, op.cause)
  publish(op.type, op.alert)
  for _, one in ipairs(op.deliveries) do wind_up(one, now) end
end

apply['note'] = function(op)
  note(op.line, op.counter)
end

local verbs = {}

-- ARGV: bucket, expected cursor, new cursor, offset to read on at ("" if unknown), now, JSON list of operations, JSON list
-- of (day, alerts it had, alerts it has).  Returns 1, or 0 if the cursor moved or others raised alerts on one of the days.
function verbs.commit(bucket, expected, cursor, place, now, operations, days)
  if (call('HGET', CURSOR, bucket) or '0') ~= expected then return 0 end
  local spent = cjson.decode(days)
  for _, day in ipairs(spent) do
    if (call('HGET', CURSOR, day[1]) or '0') ~= day[2] then return 0 end
  end
  for _, day in ipairs(spent) do call('HSET', CURSOR, day[1], day[3]) end
  for _, op in ipairs(cjson.decode(operations)) do apply[op.op](op, now) end
  call('HSET', CURSOR, bucket, cursor)
  if place ~= '' then call('HSET', CURSOR, bucket .. '@', place) end
  call('ZREMRANGEBYRANK', ALL, 0, -INDEX_CAP - 1)
  call('ZREMRANGEBYRANK', IN.resolved, 0, -INDEX_CAP - 1)
  return 1
end

-- ARGV: now, end of the lease, its token, ids; KEYS: their hashes in the same order.
-- Returns the claimed, each as {id, HGETALL}; among them, as `unknown`, SMS that somebody began and never finished.
function verbs.claim(now, lease_ends, token, ...)
  local claimed = {}
  for i, id in ipairs({ ... }) do
    local key, due = KEYS[FIRST + i - 1], call('ZSCORE', QUEUE, id)
    if due and tonumber(due) <= tonumber(now) then
      local state = call('HGET', key, 'state')
      if state == 'pending' then
        call('ZADD', QUEUE, lease_ends, id)
        call('HINCRBY', key, 'attempts', 1)
        call('HSET', key, 'lease', token)
      elseif state == 'sending' then
        local row = call('HMGET', key, 'alert', 'profile', 'policy')
        over(key, QUEUE, id, 'unknown')
        note({ 'at', now, 'outcome', 'unknown', 'reason', 'outcome_unknown', 'channel', 'sms', 'delivery', id,
          'alert', row[1], 'profile', row[2], 'policy', row[3], 'detail', 'interrupted while it was being sent' },
          'sms:unknown:outcome_unknown')
      else
        call('ZREM', QUEUE, id)
      end
      if state == 'pending' or state == 'sending' then claimed[#claimed + 1] = { id, call('HGETALL', key) } end
    end
  end
  return claimed
end

-- Whether the worker with this token still holds the delivery, and it is not over.
local function held(key, token)
  local row = call('HMGET', key, 'state', 'lease')
  return (row[1] == 'pending' or row[1] == 'sending') and row[2] == token, row[1]
end

-- ARGV: token; KEYS: the delivery.  Returns 1 if the SMS may leave now.
function verbs.begin(token)
  local mine, state = held(KEYS[FIRST], token)
  if not mine or state ~= 'pending' then return 0 end
  call('HSET', KEYS[FIRST], 'state', 'sending')
  return 1
end

-- ARGV: token, id, state, lane to disable (or ''), why (JSON), counter, JSON line of the ledger, JSON of the dead (or '').
-- Good news is true whoever brings it; bad news only from the worker that holds the lease.  Returns 1 if it was news.
function verbs.finish(token, id, state, lane, why, counter, line, dead)
  local mine, was = held(KEYS[FIRST], token)
  local good = (state == 'delivered' or state == 'sent') and was and was ~= state
  if not mine and not good then return 0 end
  over(KEYS[FIRST], QUEUE, id, state)
  note(cjson.decode(line), counter)
  if lane ~= '' then call('HSET', DISABLED, lane, why) end
  if dead ~= '' then call('XADD', DEAD, 'MAXLEN', '~', DEAD_CAP, '*', unpack(cjson.decode(dead))) end
  return 1
end

-- ARGV: token, id, moment of the next attempt, error, counter, JSON line of the ledger.  Returns 1 if it was accepted.
function verbs.retry(token, id, at, error, counter, line)
  if not held(KEYS[FIRST], token) then return 0 end
  call('HSET', KEYS[FIRST], 'state', 'pending', 'error', error)
  call('HDEL', KEYS[FIRST], 'lease')
  call('ZADD', QUEUE, at, id)
  note(cjson.decode(line), counter)
  return 1
end

-- ARGV: id, at, by, type, alert as it is afterwards (JSON); KEYS: the alert.  Returns 1 if it was open till now.
function verbs.acknowledge(id, at, by, type, alert)
  if call('HGET', KEYS[FIRST], 'state') ~= 'open' then return 0 end
  move(id, KEYS[FIRST], 'acknowledged')
  call('HSET', KEYS[FIRST], 'acknowledged_at', at, 'acknowledged_by', by)
  call('HINCRBY', COUNTS, 'acknowledged', 1)
  publish(type, alert)
  return 1
end

return verbs[ARGV[1]](unpack(ARGV, 2))
