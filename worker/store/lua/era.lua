#!lua flags=allow-oom
-- Compare what a web door knows of a stream with this server, and count what the server lacks. An era is the time from
-- one loss to the next: it begins when a door meets another server, when this hash is gone with all the rest, or when the
-- stream alone is gone. Every door that knew the former era says how high the stream was; the highest one counts.
-- The height of a stream is how many events it ever took, each once: those that it lost too, and none twice that came back.
-- KEYS  era, intake, stream
-- ARGV  server ('' when it cannot be distinguished), a name for a new era, the era that the door knows ('' for none),
--       the height of the stream by then, '1' when whatever era there is has ended,
--       where the stream was found below that: its height before the door's next events ('' otherwise),
--       eras that the door knew before that one, with ' ' between,
--       names that this server had before, when it had all that it has now, likewise
-- Returns {era, height, lost events that were counted just now, height at its begin};
--         an era with ' stream' at its end is one in which ids say nothing of the stream.
local call = redis.call
local server, name, known, height = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local era, former, base, counted = unpack(call('HMGET', KEYS[1], 'era', 'server', 'base', 'counted'))
local function count(field) return tonumber(call('HGET', KEYS[2], field) or 0) end
local accepted = count('accepted')
local now = accepted + count('lost') - count('restored')
local added = 0
if call('EXISTS', KEYS[3]) == 1 then
  local info = call('XINFO', 'STREAM', KEYS[3])
  for i = 1, #info, 2 do
    if info[i] == 'entries-added' then added = info[i + 1] end
  end
end
local alone = added < accepted
if alone then
  height = math.max(height, now)
  now = now - accepted + added
  call('HSET', KEYS[2], 'accepted', added)
end
local behind = tonumber(ARGV[6])
local is_other = server ~= '' and server ~= former
if is_other and former and former ~= '' and string.find(' ' .. ARGV[8] .. ' ', ' ' .. former .. ' ', 1, true) then
  -- a door that has yet to look goes on in this era: what it appends is not missing
  is_other = false
  call('HSET', KEYS[1], 'server', server)
end
if not era or alone or ARGV[5] == '1' or (behind and era == known) or is_other then
  era, base, counted = alone and name .. ' stream' or name, math.min(now, behind or now), 0
  call('HSET', KEYS[1], 'era', era, 'server', server, 'base', base, 'counted', counted)
end
local lost = 0
if known ~= era then
  -- who knew no era stored before there was one, perhaps beside the door that began it: only what is above all that
  -- there is now is missing
  -- now is missing; nor is what came since this era began missing from who was in it, went to another server, and came back
  local was_here = string.find(' ' .. ARGV[7] .. ' ', ' ' .. era .. ' ', 1, true)
  lost = math.max(0, (known == '' or was_here) and height - now or height - base - counted)
  if lost > 0 then
    call('HINCRBY', KEYS[1], 'counted', lost)
    call('HINCRBY', KEYS[2], 'lost', lost)
    now = now + lost
  end
end
-- What a door appended again was lost for sure, also where no door knew the stream to be so high: what a door has under way
-- is in none of its heights, and may in truth be what another door had answered.
local more = count('returned') - count('lost')
if more > 0 then
  call('HINCRBY', KEYS[1], 'counted', more)
  call('HINCRBY', KEYS[2], 'lost', more)
  lost, now = lost + more, now + more
end
return {era, now, lost, tonumber(base)}
