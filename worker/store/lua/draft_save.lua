#!lua
-- Keep a person's draft, if it is still the version that the change was made of; drafts that nobody saved for long go.
-- KEYS  drafts
-- ARGV  login, version expected ('' for none), record that begins with its version and the time (ms), oldest time kept,
--       life of them all (s)
-- Returns 1 kept, or the record that is there.
local there = redis.call('HGET', KEYS[1], ARGV[1]) or ''
if (string.match(there, '^(%S+)') or '') ~= ARGV[2] then return there end
if ARGV[3] == '' then
  redis.call('HDEL', KEYS[1], ARGV[1])
  return 1
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
redis.call('EXPIRE', KEYS[1], ARGV[5])
local all = redis.call('HGETALL', KEYS[1])
for n = 1, #all, 2 do
  local at = tonumber(string.match(all[n + 1], '^%S+ (%d+) ') or '0')
  if at < tonumber(ARGV[4]) then redis.call('HDEL', KEYS[1], all[n]) end
end
return 1
