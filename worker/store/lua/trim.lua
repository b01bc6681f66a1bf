#!lua flags=allow-oom
-- Drop a stream's entries below a limit, as far as every one of its groups is past them, and what speaks of them.
-- KEYS  stream, forgotten
-- ARGV  limit (an entry id), '~' (whole nodes only: cheap) or '=', starts of the keys of trails and of changes (in the same
--       shard), then the names of integrations that may have such keys, besides the groups that there are
-- Returns how many entries were dropped.
-- include prelude
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
local limit, names = ARGV[1], {}
for name, group in pairs(groups_of(KEYS[1])) do
  names[name] = true
  if before(group['last-delivered-id'], limit) then limit = group['last-delivered-id'] end
end
local dropped = redis.call('XTRIM', KEYS[1], 'MINID', ARGV[2], limit)
local first = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
-- Nothing is settled before it is received: older records speak of events that are gone.
local gone_ms = string.match(first and first[1] or limit, '^%d+')
for n = 5, #ARGV do names[ARGV[n]] = true end
for name in pairs(names) do
  redis.call('XTRIM', ARGV[3] .. name, 'MINID', '~', gone_ms)
  redis.call('ZREMRANGEBYSCORE', ARGV[4] .. name, '-inf', '(' .. gone_ms)
end
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', '(' .. gone_ms)
return dropped
