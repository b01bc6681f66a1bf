#!lua flags=allow-oom
-- Settle a run of events: the group's cursor, the ledger, dead letters and people's state move together or not at all.
-- `allow-oom`: a full server must still be able to drain.
-- KEYS  lease, stream, ledger, flight, dead, dead by time, dead causes, then what ARGV names: person and cause keys;
--       last the trail
-- ARGV  token, life of the lease (ms), group, cursor, events, life of a person's state (s), number of this step,
--       '1' when the batch that killed earlier holders is passed, number of counts, people and dead letters, then
--       count:  field, by how much
--       person: state                                 (key in KEYS)
--       dead:   id, cause, what the cause is, when (ms), record   (key of the cause in KEYS)
--       last the trail's record ('': none)
-- Returns 1, or 0 when the lease belongs to another holder (nothing is changed then).
local function before(one, other)
  local one_ms, one_seq = string.match(one, '^(%d+)-(%d+)$')
  local other_ms, other_seq = string.match(other, '^(%d+)-(%d+)$')
  one_ms, other_ms = tonumber(one_ms), tonumber(other_ms)
  return one_ms < other_ms or (one_ms == other_ms and tonumber(one_seq) < tonumber(other_seq))
end
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
local step, deaths, stuck = unpack(redis.call('HMGET', KEYS[4], 'step', 'deaths', 'stuck'))
-- A step that is repeated because its answer was lost is done already.
if step == ARGV[7] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
-- Fails, before anything is written, when the group is gone.
local position = tonumber(redis.call('HGET', KEYS[3], 'position') or 0) + tonumber(ARGV[5])
redis.call('XGROUP', 'SETID', KEYS[2], ARGV[3], ARGV[4], 'ENTRIESREAD', position)
redis.call('HSET', KEYS[3], 'position', position)
redis.call('HSET', KEYS[4], 'step', ARGV[7])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
if stuck and not before(ARGV[4], stuck) then redis.call('HDEL', KEYS[4], 'stuck', 'refusals') end
if deaths and ARGV[8] == '1' then redis.call('HDEL', KEYS[4], 'deaths', 'until', 'alone', 'mapping', 'sending', 'phase') end
local counts, people, dead = tonumber(ARGV[9]), tonumber(ARGV[10]), tonumber(ARGV[11])
local at, key = 12, 8
for _ = 1, counts do
  redis.call('HINCRBY', KEYS[3], ARGV[at], ARGV[at + 1])
  at = at + 2
end
for _ = 1, people do
  redis.call('SET', KEYS[key], ARGV[at], 'EX', ARGV[6])
  at, key = at + 1, key + 1
end
for _ = 1, dead do
  local id, cause, about, died_ms, record = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], ARGV[at + 4]
  local former = redis.call('HGET', KEYS[5], id)
  redis.call('HSET', KEYS[5], id, record)
  if former then
    -- Its group was lost and made anew from the archive: the event was accepted twice, and is one dead letter.
    redis.call('HINCRBY', KEYS[3], 'base', 1)
    local readable, letter = pcall(cjson.decode, former)
    local was = readable and type(letter) == 'table' and letter['cause']
    if type(was) == 'string' and was ~= cause then
      local other = string.sub(KEYS[key], 1, #KEYS[key] - #cause) .. was
      if redis.call('ZREM', other, id) == 1 and redis.call('EXISTS', other) == 0 then
        redis.call('HDEL', KEYS[7], was)
      end
    end
  else
    redis.call('HINCRBY', KEYS[3], 'dead', 1)
  end
  redis.call('ZADD', KEYS[6], died_ms, id)
  redis.call('HSETNX', KEYS[7], cause, about)
  redis.call('ZADD', KEYS[key], died_ms, id)
  at, key = at + 5, key + 1
end
if ARGV[#ARGV] ~= '' then redis.call('XADD', KEYS[#KEYS], '*', 'b', ARGV[#ARGV]) end
return 1
