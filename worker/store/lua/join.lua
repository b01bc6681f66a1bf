#!lua flags=allow-oom
-- Make an integration's group on a stream, once, and note where its books begin.
-- KEYS  stream, ledger, dead, trail, changes
-- ARGV  group, 'archive' (from the oldest entry kept) or 'now'
-- Returns 1 when the group is new, else 0.
local made = redis.pcall('XGROUP', 'CREATE', KEYS[1], ARGV[1], '$', 'MKSTREAM')
if type(made) == 'table' and made['err'] then
  if string.sub(made['err'], 1, 9) == 'BUSYGROUP' then return 0 end
  return redis.error_reply(made['err'])
end
local about = {}
local info = redis.call('XINFO', 'STREAM', KEYS[1])
for i = 1, #info, 2 do about[info[i]] = info[i + 1] end
local cursor, base = about['last-generated-id'], about['entries-added']
if ARGV[2] == 'archive' then cursor, base = '0-0', base - about['length'] end
redis.call('XGROUP', 'SETID', KEYS[1], ARGV[1], cursor, 'ENTRIESREAD', base)
-- Dead letters that outlived a lost group stay on the books: they count as accepted before; not those that are about
-- properties alone, whose events counted as delivered.
local properties = tonumber(redis.call('HGET', KEYS[2], 'properties') or 0)
local dead = redis.call('HLEN', KEYS[3]) - properties
redis.call('DEL', KEYS[2])
-- Of a group that was lost or removed: its books begin again, and what the trail says is in none of them.
redis.call('DEL', KEYS[4], KEYS[5])
redis.call('HSET', KEYS[2], 'base', base - dead, 'position', base, 'dead', dead)
if properties > 0 then redis.call('HSET', KEYS[2], 'properties', properties) end
return 1
