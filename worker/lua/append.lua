#!lua
-- Append events to one stream, each event id once. All or nothing: without `allow-oom` Redis refuses the whole
-- script when memory is full. Without events it changes nothing, and is refused whenever an append would be.
-- KEYS  stream, seen now, seen before, seen before that, intake, then lease, wake, hold of each integration
-- ARGV  life of the seen set (s), life of a wake mark (ms), number of integrations, then digest, body of each event
-- Returns one character an event ('1' stored, '0' known already), then one an integration ('1' wake it, '0' no need).
local seen_s, wake_ms, integrations = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local digests, known = {}, {}
for i = 4, #ARGV, 2 do digests[#digests + 1] = ARGV[i] end
if #digests > 0 then
  for set = 2, 4 do
    for n, is_member in ipairs(redis.call('SMISMEMBER', KEYS[set], unpack(digests))) do
      if is_member == 1 then known[digests[n]] = true end
    end
  end
end
local results, new, fault = {}, {}, nil
for n, digest in ipairs(digests) do
  if known[digest] then
    results[n] = '0'
  else
    local added = redis.pcall('XADD', KEYS[1], '*', 'b', ARGV[3 + 2 * n])
    if type(added) == 'table' then
      fault = added
      break
    end
    known[digest] = true
    new[#new + 1] = digest
    results[n] = '1'
  end
end
-- Whatever happened: what is stored is known from now on, and nothing else.
if #new > 0 then
  redis.call('SADD', KEYS[2], unpack(new))
  if redis.call('TTL', KEYS[2]) < 0 then redis.call('EXPIRE', KEYS[2], seen_s) end
  redis.call('HINCRBY', KEYS[5], 'accepted', #new)
end
if fault then return fault end
if #results > #new then redis.call('HINCRBY', KEYS[5], 'duplicates', #results - #new) end
for n = 0, integrations - 1 do
  local lease, wake, hold = KEYS[6 + n * 3], KEYS[7 + n * 3], KEYS[8 + n * 3]
  -- A holder looks again before it lets go, so a leased shard needs no wake-up; a held one must not get any.
  if #new > 0 and redis.call('EXISTS', lease, hold) == 0 and redis.call('SET', wake, '1', 'NX', 'PX', wake_ms) then
    results[#results + 1] = '1'
  else
    results[#results + 1] = '0'
  end
end
return table.concat(results)
