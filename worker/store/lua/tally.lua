#!lua flags=no-writes
-- Count what one shard holds of a source and of each of its integrations, as of one moment. Reads only, so that it
-- answers while memory is full, too.
-- KEYS  stream, intake, then of each integration: ledger, dead, dead by time, dead causes
-- ARGV  of each integration: name of its group, start of its causes' keys (in the same shard)
-- Returns MessagePack (worker/store/tally.py has the names): [added, length, first, last, last deleted, intake,
--         [[name, cursor, next, read, lag, ledger, letters, by time, by cause], …]]; added is -1 without a stream, the cursor
--         is '' without a group, -1 is what Redis does not know.
-- include prelude
local function known(value) return value or -1 end
local stream, groups = { ['entries-added'] = -1, length = 0 }, {}
if redis.call('EXISTS', KEYS[1]) == 1 then
  stream, groups = fields_of(redis.call('XINFO', 'STREAM', KEYS[1])), groups_of(KEYS[1])
end
local first, last = stream['first-entry'], stream['last-generated-id'] or ''
local found, key = {}, 3
for n = 1, #ARGV, 2 do
  local group = groups[ARGV[n]] or {}
  local cursor, following = group['last-delivered-id'] or '', ''
  if cursor ~= '' and cursor ~= last then
    local waits = redis.call('XRANGE', KEYS[1], '(' .. cursor, '+', 'COUNT', 1)[1]
    following = waits and waits[1] or ''
  end
  local by_cause = 0
  for _, cause in ipairs(redis.call('HKEYS', KEYS[key + 3])) do
    by_cause = by_cause + redis.call('ZCARD', ARGV[n + 1] .. cause)
  end
  found[#found + 1] = {
    ARGV[n], cursor, following, known(group['entries-read']), known(group['lag']), redis.call('HGETALL', KEYS[key]),
    redis.call('HLEN', KEYS[key + 1]), redis.call('ZCARD', KEYS[key + 2]), by_cause,
  }
  key = key + 4
end
return cmsgpack.pack({
  stream['entries-added'], stream['length'], first and first[1] or '', last, stream['max-deleted-entry-id'] or '',
  redis.call('HGETALL', KEYS[2]), found,
})
