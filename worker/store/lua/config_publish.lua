#!lua flags=allow-oom
-- Add a revision of the integrations file and put it in force, if the one in force is still the expected one.
-- One key, so that it is all in one slot and moves at once or not at all.
-- KEYS  revisions
-- ARGV  expected head ('' for none), digest, revision (JSON), 'once' (refuse a digest seen before) or 'anyway',
--       least number of the new revision, most revisions kept
-- Returns {'published', number}, {'seen', number of the revision with this digest} or {'moved', head as it is}
local head = redis.call('HGET', KEYS[1], 'head') or ''
local seen = redis.call('HGET', KEYS[1], 'digest:' .. ARGV[2])
if ARGV[4] == 'once' and seen then return {'seen', seen} end
if head ~= ARGV[1] then return {'moved', head} end
local number = tonumber(ARGV[5])
for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
  -- Not `tonumber` alone: it would read a foreign "1e300" or "0x10".
  if string.match(field, '^[1-9]%d?%d?%d?%d?%d?%d?%d?%d?$') then number = math.max(number, tonumber(field) + 1) end
end
local name = string.format('%.0f', number)
redis.call('HSET', KEYS[1], name, ARGV[3], 'digest:' .. ARGV[2], name, 'head', name)
redis.call('HDEL', KEYS[1], string.format('%.0f', number - tonumber(ARGV[6])))
return {'published', name}
