#!lua flags=allow-oom
-- Settle a run of events: the group's cursor, the ledger, dead letters and people's state move together or not at all.
-- `allow-oom`: a full server must still be able to drain.
-- KEYS  lease, stream, ledger, flight, dead, dead by time, dead causes, then what ARGV names: person and cause keys;
--       last the trail
-- ARGV  token, life of the lease (ms), group, cursor, events, life of a person's state (s), number of this step,
--       '1' when the batch that killed earlier holders is passed, number of counts and of people, the dead letters
--       (MessagePack: letter_id, cause, about, failed_ms, record, settled; '' for none), then
--       count:  field, by how much
--       person: state
--       last the trail's record ('': none)
-- Returns 1, or 0 when the lease belongs to another holder (nothing is changed then).
-- include prelude
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
if deaths and ARGV[8] == '1' then
  redis.call('HDEL', KEYS[4], 'deaths', 'until', 'alone', 'mapping', 'sending', 'phase')
  for _, one in ipairs(vanished_of(KEYS[4])) do redis.call('HDEL', KEYS[4], one[1]) end
end
local counts, people = tonumber(ARGV[9]), tonumber(ARGV[10])
local at, key = 12, 8
for _ = 1, counts do
  redis.call('HINCRBY', KEYS[3], ARGV[at], ARGV[at + 1])
  at = at + 2
end
for _ = 1, people do
  redis.call('SET', KEYS[key], ARGV[at], 'EX', ARGV[6])
  at, key = at + 1, key + 1
end
for _, letter in ipairs(ARGV[11] ~= '' and cmsgpack.unpack(ARGV[11]) or {}) do
  local former = redis.call('HGET', KEYS[5], letter.letter_id)
  write_letter(letter, KEYS[5], KEYS[6], KEYS[7], KEYS[key])
  if former then
    -- Its group was lost and made again from the archive: the event was accepted twice, and is one dead letter.
    local readable, old = pcall(cjson.decode, former)
    if not readable or type(old) ~= 'table' then old = {} end
    local book = book_of(old['settled'])
    redis.call('HINCRBY', KEYS[3], book, -1)
    if book == 'dead' then redis.call('HINCRBY', KEYS[3], 'base', 1) end
    local was = old['cause']
    if type(was) == 'string' and was ~= letter.cause then
      leave_cause(letter.letter_id, was, KEYS[7], string.sub(KEYS[key], 1, #KEYS[key] - #letter.cause) .. was)
    end
  end
  redis.call('HINCRBY', KEYS[3], book_of(letter.settled), 1)
  key = key + 1
end
if ARGV[#ARGV] ~= '' then redis.call('XADD', KEYS[#KEYS], '*', 'b', ARGV[#ARGV]) end
return 1
