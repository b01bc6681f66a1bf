#!lua
-- Count event codes of a part of a stream, once: only if that stream was counted exactly so far.
-- KEYS  cursors, newest, then the days that are counted into
-- ARGV  shard, entry that it was counted to ('' for none), entry that it is counted to now, life of the keys (s),
--       most fields of one day, then cmsgpack: {days = {{field = count} for each day key}, newest = {field = ms}}
-- Returns 1 counted, 0 another one did.
local call = redis.call
if (call('HGET', KEYS[1], ARGV[1]) or '') ~= ARGV[2] then return 0 end
local seen, most = cmsgpack.unpack(ARGV[6]), tonumber(ARGV[5])
for n, fields in ipairs(seen.days) do
  local key = KEYS[2 + n]
  local room = most - call('HLEN', key)
  for field, count in pairs(fields) do
    if call('HEXISTS', key, field) == 1 then
      call('HINCRBY', key, field, count)
    elseif room > 0 then
      call('HSET', key, field, count)
      room = room - 1
    end
  end
  call('EXPIRE', key, ARGV[4])
end
local room = most - call('HLEN', KEYS[2])
for field, ms in pairs(seen.newest) do
  local known = call('HGET', KEYS[2], field)
  if (known and tonumber(known) < tonumber(ms)) or (not known and room > 0) then
    call('HSET', KEYS[2], field, ms)
    room = room - (known and 0 or 1)
  end
end
call('HSET', KEYS[1], ARGV[1], ARGV[3])
call('EXPIRE', KEYS[1], ARGV[4])
call('EXPIRE', KEYS[2], ARGV[4])
return 1
