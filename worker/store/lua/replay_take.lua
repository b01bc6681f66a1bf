#!lua flags=allow-oom
-- Take a lane's lease for a replay and read the dead letters that a job is to try next. May be repeated with one token.
-- The flight of live deliveries is left alone: a replay that kills its worker must not make live events look like poison.
-- The caller checks whether the integration is held: some holds are ended by replaying.
-- KEYS  lease, stream, in hand, the job's ids, the job's counts, dead
-- ARGV  token, life of the lease (ms), group, most letters, '1' to go before waiting events,
--       then most letters after one, two, … unexplained deaths, the last of them 1
-- Returns 'empty' | 'busy' | 'live' | {unexplained deaths, those with the first letter alone in hand while it was mapped,
--         and while it was sent, most letters by the search for one that is refused (0: no search), ids, records,
--         {token, phase, since when (ms), …} of crashes at it}
-- include prelude
if redis.call('EXISTS', KEYS[4]) == 0 then return 'empty' end
local lease = redis.call('GET', KEYS[1])
if lease and lease ~= ARGV[1] then return 'busy' end
if ARGV[5] ~= '1' and events_wait(KEYS[2], ARGV[3]) then return 'live' end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
local former, size, phase, at = unpack(redis.call('HMGET', KEYS[3], 'token', 'size', 'phase', 'alone'))
local vanishes = former and former ~= ARGV[1]
if vanishes then count_crash(KEYS[3], former, phase, at) end
local known = redis.call('HMGET', KEYS[3], 'deaths', 'caution', 'mapping', 'sending')
local deaths, caution, alone = tonumber(known[1] or 0), tonumber(known[2] or 0), at or ''
-- A holder vanished with letters in hand: that many letters are tried with caution, until the poison is found.
if vanishes then caution = math.max(caution, tonumber(size or 0)) end
local tried = {mapping = tonumber(known[3] or 0), sending = tonumber(known[4] or 0)}
local vanished = deaths > 0 and vanished_of(KEYS[3]) or {}
local most = tonumber(ARGV[4])
local search = tonumber(redis.call('HGET', KEYS[5], 'most') or 0)
if search > 0 then most = math.min(most, search) end
local cautious = deaths > 0 and tonumber(ARGV[5 + math.min(deaths, #ARGV - 5)])
if cautious then most = math.min(most, cautious) end
local ids = redis.call('ZRANGE', KEYS[4], 0, most - 1)
if cautious == 1 and alone ~= ids[1] then alone, tried = ids[1], {mapping = 0, sending = 0} end
redis.call('DEL', KEYS[3])
redis.call('HSET', KEYS[3], 'token', ARGV[1], 'size', #ids)
if deaths > 0 then
  redis.call('HSET', KEYS[3], 'deaths', deaths, 'caution', caution, 'alone', alone, 'mapping', tried.mapping,
    'sending', tried.sending)
  for _, one in ipairs(vanished) do redis.call('HSET', KEYS[3], one[1], one[2]) end
end
for _, id in ipairs(ids) do redis.call('HSET', KEYS[3], id, '1') end
redis.call('PEXPIRE', KEYS[3], IN_HAND_MS)
local records = redis.call('HMGET', KEYS[6], unpack(ids))
return {deaths, tried.mapping, tried.sending, search, ids, records, deaths > 0 and vanished_at(KEYS[3], alone) or {}}
