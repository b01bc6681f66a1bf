#!lua flags=allow-oom
-- Remove dead letters: the books count them under another field instead of dead.
-- Those that are about properties alone are removed alone: their events keep the count they have.
-- KEYS  lease, in hand, ledger, dead, dead by time, dead causes, trail, then the keys of the causes; last the changes
-- ARGV  field of the ledger that gains, most notes in the trail, the letters (MessagePack: id, cause, place of its key
--       among the causes, note for the trail or '', settled), what is noted in the changes
-- Returns one character a letter: '1' removed, 'g' gone already, 'h' a replay has it in hand, 'c' its cause has changed.
-- include prelude
local results, removed, noted = {}, 0, false
for n, letter in ipairs(cmsgpack.unpack(ARGV[3])) do
  if redis.call('HEXISTS', KEYS[4], letter.id) == 0 then
    results[n] = 'g'
  elseif in_hand(KEYS[1], KEYS[2], letter.id) then
    results[n] = 'h'
  elseif not leave_cause(letter.id, letter.cause, KEYS[6], KEYS[7 + letter.place]) then
    results[n] = 'c'
  else
    redis.call('HDEL', KEYS[4], letter.id)
    redis.call('ZREM', KEYS[5], letter.id)
    if letter.note ~= '' then
      redis.call('LPUSH', KEYS[7], letter.note)
      noted = true
    end
    results[n] = '1'
    if book_of(letter.settled) == 'dead' then
      removed = removed + 1
      note_change(KEYS[#KEYS], entry_of(letter.id), ARGV[1] == 'base' and 'moved' or ARGV[1], ARGV[#ARGV])
    else
      redis.call('HINCRBY', KEYS[3], 'properties', -1)
    end
  end
end
if removed > 0 then
  redis.call('HINCRBY', KEYS[3], 'dead', -removed)
  redis.call('HINCRBY', KEYS[3], ARGV[1], removed)
end
if noted then redis.call('LTRIM', KEYS[7], 0, tonumber(ARGV[2]) - 1) end
return table.concat(results)
