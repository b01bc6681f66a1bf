#!lua
-- Append events to one stream, each event id once. All or nothing: without `allow-oom` Redis refuses the whole
-- script when memory is full. Without events it changes nothing, and is refused whenever an append would be.
-- KEYS  stream, seen now, seen before, seen before that, intake, then lease, wake, hold of each integration
-- ARGV  life of the seen set (s), life of a wake mark (ms), number of integrations, then digest, body of each event
-- Returns one character an event ('1' stored, '0' known already), then one an integration ('1' wake it, '0' no need).
local call, stream, seen = redis.call, KEYS[1], KEYS[2]
local digests, events = {}, 0
for i = 4, #ARGV, 2 do
  events = events + 1
  digests[events] = ARGV[i]
end
-- By number; nearly always none is, and then no more tables are made than that of the digests.
local known, some, new = {}, false, digests
if events > 0 then
  for set = 2, 4 do
    local found = call('SMISMEMBER', KEYS[set], unpack(digests))
    for n = 1, events do
      if found[n] == 1 then known[n], some = true, true end
    end
  end
end
if some then
  new = {}
  for n = 1, events do
    if not known[n] then new[#new + 1] = digests[n] end
  end
end
if #new > 0 and call('SADD', seen, unpack(new)) < #new then
  -- An id stands twice among these events: only the first of them is new.
  local met = {}
  for n = 1, events do
    if met[digests[n]] then known[n], some = true, true end
    met[digests[n]] = true
  end
end
local stored, fault = 0, nil
for n = 1, events do
  if not known[n] then
    local added = redis.pcall('XADD', stream, '*', 'b', ARGV[3 + 2 * n])
    if type(added) == 'table' then
      fault = added
      -- Whatever happened: what is stored is known from now on, and nothing else.
      for rest = n, events do
        if not known[rest] then call('SREM', seen, digests[rest]) end
      end
      break
    end
    stored = stored + 1
  end
end
if stored > 0 then
  if call('TTL', seen) < 0 then call('EXPIRE', seen, tonumber(ARGV[1])) end
  call('HINCRBY', KEYS[5], 'accepted', stored)
end
if fault then return fault end
if events > stored then call('HINCRBY', KEYS[5], 'duplicates', events - stored) end
local marks = {}
if some then
  for n = 1, events do marks[n] = known[n] and '0' or '1' end
else
  marks[1] = string.rep('1', events)
end
for n = 0, tonumber(ARGV[3]) - 1 do
  local lease, wake, hold = KEYS[6 + n * 3], KEYS[7 + n * 3], KEYS[8 + n * 3]
  -- A holder looks again before it lets go, so a leased shard needs no wake-up; a held one must not get any.
  local due = stored > 0
    and call('EXISTS', lease, hold) == 0
    and call('SET', wake, '1', 'NX', 'PX', tonumber(ARGV[2]))
  marks[#marks + 1] = due and '1' or '0'
end
return table.concat(marks)
