#!lua
-- Append events to one stream, each once. An event is known by its id and by what it is about (name, person,
-- environment): one that is about something else under an id that is in use is stored too, with a mark behind its bytes.
-- All or nothing: without `allow-oom` Redis refuses the whole script when memory is full. Without events it changes
-- nothing, and is refused whenever an append would be.
-- KEYS  stream, ids now, ids before, ids before that, the same three of earlier releases (`seen`), intake, layout,
--       then lease, wake, hold of each integration, then tables of ids of shards where these people were before
-- ARGV  life of the ids (s), life of a wake mark (ms), number of integrations, mark of a conflict, epoch of the layout,
--       '0' from a sender, '1' from the memory of the door, '2' likewise, where the stream was lost and the ids were not,
--       then digest of the id, of what it is about, and body of each event
-- Refused with LAYOUT, with nothing changed, when another layout is in force on this shard.
-- Returns one character an event ('1' stored, '0' known already), then one an integration ('1' wake it, '0' no need);
--         behind the events' ' ', the stream's height, see `era.lua`, ' ', its last entry (when one was stored).
local call, stream, ids, again = redis.call, KEYS[1], KEYS[2], ARGV[6]
if (call('HGET', KEYS[9], 'epoch') or '1') ~= ARGV[5] then
  return redis.error_reply('LAYOUT another number of shards is in force')
end
local tables = { KEYS[2], KEYS[3], KEYS[4] }
for key = 10 + 3 * tonumber(ARGV[3]), #KEYS do tables[#tables + 1] = KEYS[key] end
local digests, events = {}, 0
for i = 7, #ARGV, 3 do
  events = events + 1
  digests[events] = ARGV[i]
end
local function about(n) return ARGV[5 + 3 * n] end
local function body(n) return ARGV[6 + 3 * n] end
-- By position; nearly always empty. `rival`: what else the id is in use for.
local known, rival, some = {}, {}, false
if events > 0 then
  for _, set in ipairs(tables) do
    local found = call('HMGET', set, unpack(digests))
    for n = 1, events do
      if found[n] then
        some = true
        if found[n] == about(n) then known[n] = true else rival[n] = found[n] end
      end
    end
  end
  if call('EXISTS', KEYS[5], KEYS[6], KEYS[7]) > 0 then
    -- Ids alone, until the last of these sets expires: what an id was about is not known.
    for set = 5, 7 do
      local found = call('SMISMEMBER', KEYS[set], unpack(digests))
      for n = 1, events do
        if found[n] == 1 then known[n], some = true, true end
      end
    end
  end
end
if again == '2' then
  -- An id proves nothing here: an event is known when its bytes are in what the stream took since.
  local held = {}
  for _, entry in ipairs(call('XRANGE', stream, '-', '+', 'COUNT', 5000)) do held[entry[2][2]] = true end
  for n in pairs(known) do
    if not held[body(n)] then known[n] = nil end
  end
end
-- An id in use has a field for each further thing that it is about.
local function field(n) return rival[n] and digests[n] .. about(n) or digests[n] end
if some then
  for n in pairs(rival) do
    for _, set in ipairs(tables) do
      if call('HEXISTS', set, field(n)) == 1 then known[n] = true end
    end
    -- Its own field is looked for only while the id is known.
    if not known[n] then call('HSETNX', ids, digests[n], rival[n]) end
  end
end
local function remember()
  local fields = {}
  for n = 1, events do
    if not known[n] then
      fields[#fields + 1] = field(n)
      fields[#fields + 1] = about(n)
    end
  end
  return #fields / 2, #fields > 0 and call('HSET', ids, unpack(fields)) or 0
end
local new, made = remember()
if made < new then
  -- An id is there twice among these events: only the first of each kind is new.
  local met = {}
  some = true
  for n = 1, events do
    if not known[n] then
      local first = met[digests[n]]
      if not rival[n] and first and first ~= about(n) then rival[n] = first end
      if met[field(n)] then known[n] = true end
      met[field(n)] = about(n)
    end
  end
  remember()
end
local stored, conflicts, fault, entry = 0, 0, nil, ''
for n = 1, events do
  if not known[n] then
    entry = redis.pcall('XADD', stream, '*', 'b', rival[n] and body(n) .. ARGV[4] or body(n))
    if type(entry) == 'table' then
      fault = entry
      -- Whatever happened: the ids of stored events are known from now on, and no others.
      for rest = n, events do
        if not known[rest] then call('HDEL', ids, field(rest)) end
      end
      break
    end
    stored = stored + 1
    if rival[n] then conflicts = conflicts + 1 end
  end
end
if stored > 0 then
  if call('TTL', ids) < 0 then call('EXPIRE', ids, tonumber(ARGV[1])) end
  call('HINCRBY', KEYS[8], 'accepted', stored)
  if again ~= '0' then call('HINCRBY', KEYS[8], 'restored', stored) end
end
if conflicts > 0 then call('HINCRBY', KEYS[8], 'conflicting', conflicts) end
if fault then return fault end
if events > stored and again == '0' then
  call('HINCRBY', KEYS[8], 'duplicates', events - stored)
  -- How often each was received again, beside its id, for `relay trace`.
  for n = 1, events do
    if known[n] then call('HINCRBY', ids, digests[n] .. '#', 1) end
  end
  if call('TTL', ids) < 0 then call('EXPIRE', ids, tonumber(ARGV[1])) end
end
local marks = {}
if some then
  for n = 1, events do marks[n] = known[n] and '0' or '1' end
else
  marks[1] = string.rep('1', events)
end
for n = 0, tonumber(ARGV[3]) - 1 do
  local lease, wake, hold = KEYS[10 + n * 3], KEYS[11 + n * 3], KEYS[12 + n * 3]
  -- A holder looks again before it lets go, so a leased shard needs no wake-up; a held one must not get any.
  local due = stored > 0
    and call('EXISTS', lease, hold) == 0
    and call('SET', wake, '1', 'NX', 'PX', tonumber(ARGV[2]))
  marks[#marks + 1] = due and '1' or '0'
end
if events > 0 then
  local accepted, lost, restored = unpack(call('HMGET', KEYS[8], 'accepted', 'lost', 'restored'))
  marks[#marks + 1] = string.format(' %.0f ', (accepted or 0) + (lost or 0) - (restored or 0)) .. entry
end
return table.concat(marks)
