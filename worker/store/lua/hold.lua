#!lua flags=allow-oom
-- Hold an integration, or prolong its hold after a failed probe. One record; the shards' marks follow.
-- KEYS  hold
-- ARGV  now (ms), kind, status, message, by, '1' when a probe failed, first wait (ms), longest wait (ms), dice in [0, 1),
--       fingerprint of the key and address used
-- Returns {failed probes + 1, next probe (ms; 0: none, an operator must resume)}
local now = tonumber(ARGV[1])
local known = redis.call('EXISTS', KEYS[1]) == 1
local by = redis.call('HGET', KEYS[1], 'by')
if not known or (ARGV[5] == 'operator' and by ~= 'operator') then
  redis.call('DEL', KEYS[1])
  redis.call('HSET', KEYS[1], 'since', now, 'failures', 0, 'by', ARGV[5])
  known = false
elseif by == 'operator' and ARGV[5] ~= 'operator' then
  return {0, 0} -- what an operator holds, only an operator resumes
end
local former = redis.call('HGET', KEYS[1], 'kind')
redis.call('HSET', KEYS[1], 'kind', ARGV[2], 'status', ARGV[3], 'message', ARGV[4], 'fingerprint', ARGV[10])
-- No probe ends an operator's hold, nor makes room for dead letters.
if ARGV[5] == 'operator' or ARGV[2] == 'dead_limit' then
  redis.call('HSET', KEYS[1], 'next', 0)
  return {0, 0}
end
local failures = tonumber(redis.call('HGET', KEYS[1], 'failures'))
if not known or ARGV[6] == '1' or former == 'dead_limit' then
  failures = redis.call('HINCRBY', KEYS[1], 'failures', 1)
  local wait = math.min(tonumber(ARGV[8]), tonumber(ARGV[7]) * 2 ^ math.min(failures - 1, 30))
  redis.call('HSET', KEYS[1], 'next', string.format('%.0f', now + wait * (0.5 + tonumber(ARGV[9]) / 2)))
end
return {failures, tonumber(redis.call('HGET', KEYS[1], 'next'))}
