#!lua flags=allow-oom
-- End a replay's turn on a lane: what became of its letters, people's states, the job's counts and the books move
-- together or not at all; then the lease is released. A letter that is gone by now is counted for the job alone.
-- KEYS  lease, stream, wake, ledger, in hand, the job's ids, the job's counts, dead, dead by time, dead causes, then what
--       ARGV names: person keys, keys of causes; last the changes
-- ARGV  token, group, life of a wake mark (ms), life of a person's state (s), life of the job's counts (s),
--       most letters of the next turn (0: no bound), the letters, what is noted beside their entries in the changes,
--       then a state for each person key
-- letters  MessagePack, of each: id; tally, what the job counts; was and became, the fields of the books that count its
--       event until now and from now on ('delivered' | 'filtered:<reason>' | 'dead'; was 'base': none did); note, what the
--       changes say of it ('': nothing); held, by how much the letters about properties alone grow; cause until now and
--       the place of its key (place 0: it was no letter when it was read); if it is a letter from now on: that, with the
--       place of its cause
-- Returns 'lost' (nothing is changed) | 'more' (live events wait; the wake mark is set for the caller's message) | 'empty'
-- include prelude
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 'lost' end
local letters, people = cmsgpack.unpack(ARGV[7]), #ARGV - 8
local causes = 10 + people
for n = 1, people do redis.call('SET', KEYS[10 + n], ARGV[8 + n], 'EX', ARGV[4]) end
for _, letter in ipairs(letters) do
  redis.call('ZREM', KEYS[6], letter.id)
  -- a letter that is gone by now, or one that an event has become meanwhile, is whoever's did that
  local is_letter = redis.call('HEXISTS', KEYS[8], letter.id) == 1
  if is_letter ~= (letter.place > 0) or letter.was == '' then
    redis.call('HINCRBY', KEYS[7], 'gone', 1)
  else
    if letter.now then
      write_letter(letter.now, KEYS[8], KEYS[9], KEYS[10], KEYS[causes + letter.now_place])
    elseif is_letter then
      redis.call('HDEL', KEYS[8], letter.id)
      redis.call('ZREM', KEYS[9], letter.id)
    end
    if is_letter and letter.now_place ~= letter.place then
      leave_cause(letter.id, letter.cause, KEYS[10], KEYS[causes + letter.place])
    end
    if letter.became ~= letter.was then
      redis.call('HINCRBY', KEYS[4], letter.was, -1)
      redis.call('HINCRBY', KEYS[4], letter.became, 1)
    end
    if letter.held ~= 0 then redis.call('HINCRBY', KEYS[4], 'properties', letter.held) end
    if letter.note ~= '' then note_change(KEYS[#KEYS], entry_of(letter.id), letter.note, ARGV[8]) end
    redis.call('HINCRBY', KEYS[7], letter.tally, 1)
  end
end
if ARGV[6] == '0' then redis.call('HDEL', KEYS[7], 'most') else redis.call('HSET', KEYS[7], 'most', ARGV[6]) end
redis.call('EXPIRE', KEYS[7], ARGV[5])
local known = redis.call('HMGET', KEYS[5], 'deaths', 'caution', 'alone', 'mapping', 'sending')
local vanished = known[1] and vanished_of(KEYS[5]) or {}
redis.call('DEL', KEYS[5])
local caution = tonumber(known[2] or 0) - #letters
if known[1] and caution > 0 then
  redis.call('HSET', KEYS[5], 'deaths', known[1], 'caution', caution, 'alone', known[3], 'mapping', known[4] or 0,
    'sending', known[5] or 0)
  for _, one in ipairs(vanished) do redis.call('HSET', KEYS[5], one[1], one[2]) end
  redis.call('PEXPIRE', KEYS[5], IN_HAND_MS)
end
redis.call('DEL', KEYS[1])
if events_wait(KEYS[2], ARGV[2]) then
  redis.call('SET', KEYS[3], '1', 'PX', ARGV[3])
  return 'more'
end
-- A wake-up that found the lease taken has left its mark: the next event must get one of its own.
redis.call('DEL', KEYS[3])
return 'empty'
