#!lua flags=no-writes
-- Which events are known, by what `append` keeps of them.
-- KEYS  ids now, ids before, ids before that, then such tables of shards where these people were before
-- ARGV  digest of the id and of what it is about (20 bytes together) of each event
-- Returns one character an event ('1' not known, '0' known).
local digests = {}
for n, name in ipairs(ARGV) do digests[n] = string.sub(name, 1, 16) end
local marks = {}
for n = 1, #ARGV do marks[n] = '1' end
for set = 1, #KEYS do
  local found = redis.call('HMGET', KEYS[set], unpack(digests))
  for n, name in ipairs(ARGV) do
    if found[n] == string.sub(name, 17) or (found[n] and redis.call('HEXISTS', KEYS[set], name) == 1) then marks[n] = '0' end
  end
end
return table.concat(marks)
