#!lua flags=allow-oom
-- Take a lane's lease for a replay and read the dead letters that a job is to try next. May be repeated with one token.
-- The flight of live deliveries is left alone: a replay that kills its worker must not bring live events under suspicion.
-- Whether the integration is held is the caller's to know: some holds are ended by replaying.
-- KEYS  lease, stream, in hand, the job's ids, the job's counts, dead
-- ARGV  token, life of the lease (ms), group, most letters, '1' to go before waiting events
-- Returns 'empty' | 'busy' | 'live' | {unexplained deaths, trials of the first letter alone, most letters by the
--         search for one that is refused (0: no search), ids, records}
if redis.call('EXISTS', KEYS[4]) == 0 then return 'empty' end
local lease = redis.call('GET', KEYS[1])
if lease and lease ~= ARGV[1] then return 'busy' end
if ARGV[5] ~= '1' and redis.call('EXISTS', KEYS[2]) == 1 then
  for _, group in ipairs(redis.call('XINFO', 'GROUPS', KEYS[2])) do
    local fields = {}
    for i = 1, #group, 2 do fields[group[i]] = group[i + 1] end
    if fields['name'] == ARGV[3] then
      local waits = redis.call('XRANGE', KEYS[2], '(' .. fields['last-delivered-id'], '+', 'COUNT', 1)
      if #waits > 0 then return 'live' end
    end
  end
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
local known = redis.call('HMGET', KEYS[3], 'token', 'size', 'deaths', 'caution', 'alone', 'trials')
local size, deaths = tonumber(known[2] or 0), tonumber(known[3] or 0)
local caution, alone, trials = tonumber(known[4] or 0), known[5] or '', tonumber(known[6] or 0)
if known[1] and known[1] ~= ARGV[1] then
  -- Whoever had letters in hand vanished: as many letters as that are tried with caution, until one is found out.
  deaths, caution = deaths + 1, math.max(caution, size)
end
local most = tonumber(ARGV[4])
local search = tonumber(redis.call('HGET', KEYS[5], 'most') or 0)
if search > 0 then most = math.min(most, search) end
if deaths == 1 then most = math.min(most, 10) elseif deaths > 1 then most = 1 end
local ids = redis.call('ZRANGE', KEYS[4], 0, most - 1)
if deaths > 1 then
  if alone ~= ids[1] then alone, trials = ids[1], 0 end
  if known[1] ~= ARGV[1] then trials = trials + 1 end
end
redis.call('DEL', KEYS[3])
redis.call('HSET', KEYS[3], 'token', ARGV[1], 'size', #ids)
if deaths > 0 then
  redis.call('HSET', KEYS[3], 'deaths', deaths, 'caution', caution, 'alone', alone, 'trials', trials)
end
for _, id in ipairs(ids) do redis.call('HSET', KEYS[3], id, '1') end
redis.call('PEXPIRE', KEYS[3], 86400000)
return {deaths, trials, search, ids, redis.call('HMGET', KEYS[6], unpack(ids))}
