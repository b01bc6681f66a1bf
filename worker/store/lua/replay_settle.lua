#!lua flags=allow-oom
-- End a replay's turn on a lane: what became of its letters, people's states, the job's counts and the books move
-- together or not at all; then the lease is let go. A letter that is gone by now is counted for the job alone.
-- KEYS  lease, stream, wake, ledger, in hand, the job's ids, the job's counts, dead, dead by time, dead causes, then what
--       ARGV names: person keys, keys of causes; last the changes
-- ARGV  token, group, life of a wake mark (ms), life of a person's state (s), life of the job's counts (s),
--       most letters of the next turn (0: no bound), number of people and of letters, then
--       person: state
--       letter: id, 'delivered' | 'filtered:<reason>' | 'dead', its cause until now ('': it was gone when it was read),
--               place of that cause's key,
--               and for 'dead' (else ''): cause, place of its key, what the cause is, when (ms), record
--       last what is noted beside the letters' entries in the changes
-- Returns 'lost' (nothing is changed) | 'more' (live events wait; the wake mark is set for the caller's message) | 'empty'
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 'lost' end
local people, letters = tonumber(ARGV[7]), tonumber(ARGV[8])
local at, causes = 9, 10 + people
local changed = {}
for n = 1, people do
  redis.call('SET', KEYS[10 + n], ARGV[at], 'EX', ARGV[4])
  at = at + 1
end
for _ = 1, letters do
  local id, became, cause = ARGV[at], ARGV[at + 1], ARGV[at + 2]
  redis.call('ZREM', KEYS[6], id)
  if cause == '' or redis.call('HEXISTS', KEYS[8], id) == 0 then
    redis.call('HINCRBY', KEYS[7], 'gone', 1)
  else
    local key = KEYS[causes + tonumber(ARGV[at + 3])]
    redis.call('ZREM', key, id)
    if became == 'dead' then
      redis.call('HSET', KEYS[8], id, ARGV[at + 8])
      redis.call('ZADD', KEYS[9], ARGV[at + 7], id)
      redis.call('HSETNX', KEYS[10], ARGV[at + 4], ARGV[at + 6])
      redis.call('ZADD', KEYS[causes + tonumber(ARGV[at + 5])], ARGV[at + 7], id)
    else
      redis.call('HDEL', KEYS[8], id)
      redis.call('ZREM', KEYS[9], id)
      redis.call('HINCRBY', KEYS[4], 'dead', -1)
      redis.call('HINCRBY', KEYS[4], became, 1)
      changed[#changed + 1] = string.match(id, '%d+%-%d+$') .. '=' .. became
    end
    redis.call('HINCRBY', KEYS[7], became, 1)
    if redis.call('EXISTS', key) == 0 then redis.call('HDEL', KEYS[10], cause) end
  end
  at = at + 9
end
if #changed > 0 then redis.call('XADD', KEYS[#KEYS], '*', 'h', ARGV[#ARGV], 'e', table.concat(changed, ' ')) end
if ARGV[6] == '0' then redis.call('HDEL', KEYS[7], 'most') else redis.call('HSET', KEYS[7], 'most', ARGV[6]) end
redis.call('EXPIRE', KEYS[7], ARGV[5])
local known = redis.call('HMGET', KEYS[5], 'deaths', 'caution', 'alone', 'trials')
redis.call('DEL', KEYS[5])
local caution = tonumber(known[2] or 0) - letters
if known[1] and caution > 0 then
  -- A turn that ended without an answer was no trial.
  local trials = letters == 0 and math.max(0, tonumber(known[4]) - 1) or known[4]
  redis.call('HSET', KEYS[5], 'deaths', known[1], 'caution', caution, 'alone', known[3], 'trials', trials)
  redis.call('PEXPIRE', KEYS[5], 86400000)
end
redis.call('DEL', KEYS[1])
if redis.call('EXISTS', KEYS[2]) == 1 then
  for _, group in ipairs(redis.call('XINFO', 'GROUPS', KEYS[2])) do
    local fields = {}
    for i = 1, #group, 2 do fields[group[i]] = group[i + 1] end
    if fields['name'] == ARGV[2] then
      local waits = redis.call('XRANGE', KEYS[2], '(' .. fields['last-delivered-id'], '+', 'COUNT', 1)
      if #waits > 0 then
        redis.call('SET', KEYS[3], '1', 'PX', ARGV[3])
        return 'more'
      end
    end
  end
end
-- A wake-up that found the lease taken has left its mark: the next event must get one of its own.
redis.call('DEL', KEYS[3])
return 'empty'
