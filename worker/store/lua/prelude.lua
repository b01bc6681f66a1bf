-- Shared functions; the loader puts them where a script says `-- include prelude`.

-- How long the letters in a replay's hands are remembered after its worker vanished (ms).
local IN_HAND_MS = 86400000

-- Whether one entry id comes before another in the stream's order.
local function before(one, other)
  local one_ms, one_seq = string.match(one, '^(%d+)-(%d+)$')
  local other_ms, other_seq = string.match(other, '^(%d+)-(%d+)$')
  one_ms, other_ms = tonumber(one_ms), tonumber(other_ms)
  return one_ms < other_ms or (one_ms == other_ms and tonumber(one_seq) < tonumber(other_seq))
end

-- What XINFO tells, by name.
local function fields_of(row)
  local fields = {}
  for i = 1, #row, 2 do fields[row[i]] = row[i + 1] end
  return fields
end

-- The groups of a stream, by name. An error when the stream is missing.
local function groups_of(stream)
  local groups = {}
  for _, row in ipairs(redis.call('XINFO', 'GROUPS', stream)) do
    local fields = fields_of(row)
    groups[fields['name']] = fields
  end
  return groups
end

-- The cursor of a group, nil when there is no such group. An error when the stream is missing.
local function cursor_of(stream, group)
  local found = groups_of(stream)[group]
  return found and found['last-delivered-id']
end

-- Whether events wait behind a group's cursor; false without the stream or the group.
local function events_wait(stream, group)
  local cursor = redis.call('EXISTS', stream) == 1 and cursor_of(stream, group)
  return cursor and #redis.call('XRANGE', stream, '(' .. cursor, '+', 'COUNT', 1) > 0
end

-- Whether a replay, which holds the lease then, has a dead letter in hand.
local function in_hand(lease, hand, id)
  local token = redis.call('GET', lease)
  return token and token == redis.call('HGET', hand, 'token') and redis.call('HEXISTS', hand, id) == 1
end

-- The entry of a dead letter's id.
local function entry_of(id) return string.match(id, '%d+%-%d+$') end

-- The ledger's field that counts a letter: one of an event that is settled otherwise (`settled` says how) is about its
-- person's properties alone, and none of the events that are dead.
local function book_of(settled) return (settled or '') == '' and 'dead' or 'properties' end

-- Write a dead letter {letter_id, cause, about, failed_ms, record} under `dead`, `by_time`, `causes` and its cause's key.
local function write_letter(letter, dead, by_time, causes, cause_key)
  redis.call('HSET', dead, letter.letter_id, letter.record)
  redis.call('ZADD', by_time, letter.failed_ms, letter.letter_id)
  redis.call('HSETNX', causes, letter.cause, letter.about)
  redis.call('ZADD', cause_key, letter.failed_ms, letter.letter_id)
end

-- Take a dead letter out of its cause, and the cause out of the list when it was the last; false when it is not in it.
local function leave_cause(id, cause, causes, cause_key)
  if redis.call('ZREM', cause_key, id) == 0 then return false end
  if redis.call('EXISTS', cause_key) == 0 then redis.call('HDEL', causes, cause) end
  return true
end

-- Of how many holders that vanished it is known who they were: a crash of one more cannot be taken back.
local MOST_VANISHED = 64

-- The fields about holders that vanished.
local function vanished_of(flight)
  local found = {}
  local all = redis.call('HGETALL', flight)
  for n = 1, #all, 2 do
    if string.sub(all[n], 1, 5) == 'gone:' then found[#found + 1] = {all[n], all[n + 1]} end
  end
  return found
end

-- Count the crash of a holder that vanished, and keep who it was, at what and since when (ms): it may live, and say so.
local function count_crash(flight, token, phase, alone)
  redis.call('HINCRBY', flight, 'deaths', 1)
  if phase then redis.call('HINCRBY', flight, phase, 1) end
  if #vanished_of(flight) >= MOST_VANISHED then return end
  local time = redis.call('TIME')
  local now = string.format('%.0f', tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000))
  redis.call('HSET', flight, 'gone:' .. token, now .. ' ' .. (phase or '-') .. ' ' .. (alone or '-'))
end

-- Of them those with one entry alone in hand, as {token, phase, since when, …}.
local function vanished_at(flight, alone)
  local found = {}
  for _, one in ipairs(vanished_of(flight)) do
    local since, phase, entry = string.match(one[2], '^(%d+) (%S+) (.*)$')
    if phase ~= '-' and entry == alone then
      found[#found + 1] = string.sub(one[1], 6)
      found[#found + 1] = phase
      found[#found + 1] = tonumber(since)
    end
  end
  return found
end

-- Note what became of one entry after its run was settled; of several notes the last one is kept.
local function note_change(changes, entry, outcome, head)
  local ms = string.match(entry, '^%d+')
  for _, note in ipairs(redis.call('ZRANGEBYSCORE', changes, ms, ms)) do
    if string.sub(note, 1, #entry + 1) == entry .. ' ' then redis.call('ZREM', changes, note) end
  end
  redis.call('ZADD', changes, ms, entry .. ' ' .. outcome .. ' ' .. head)
end

-- Whether the last note of an entry is that its dead letter was discarded.
local function was_discarded(changes, entry)
  local ms = string.match(entry, '^%d+')
  local discarded = entry .. ' filtered:discarded '
  for _, note in ipairs(redis.call('ZRANGEBYSCORE', changes, ms, ms)) do
    if string.sub(note, 1, #discarded) == discarded then return true end
  end
  return false
end
