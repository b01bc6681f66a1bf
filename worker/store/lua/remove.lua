#!lua flags=allow-oom
-- Take dead letters off the books' dead and onto another count.
-- KEYS  lease, in hand, ledger, dead, dead by time, dead causes, trail, then the keys of the causes; last the changes
-- ARGV  field of the ledger that gains, most notes in the trail, number of letters, then of each
--       id, cause, place of its key among the causes, note for the trail ('' for none); last what is noted in the changes
-- Returns one character a letter: '1' removed, 'g' gone already, 'h' a replay has it in hand, 'c' its cause has changed.
local lease = redis.call('GET', KEYS[1])
local replaying = lease and lease == redis.call('HGET', KEYS[2], 'token')
local results, removed, noted, changed = {}, 0, false, {}
for n = 0, tonumber(ARGV[3]) - 1 do
  local id, cause, note = ARGV[4 + n * 4], ARGV[5 + n * 4], ARGV[7 + n * 4]
  local key = KEYS[7 + tonumber(ARGV[6 + n * 4])]
  if redis.call('HEXISTS', KEYS[4], id) == 0 then
    results[n + 1] = 'g'
  elseif replaying and redis.call('HEXISTS', KEYS[2], id) == 1 then
    results[n + 1] = 'h'
  elseif redis.call('ZREM', key, id) == 0 then
    results[n + 1] = 'c'
  else
    redis.call('HDEL', KEYS[4], id)
    redis.call('ZREM', KEYS[5], id)
    if redis.call('EXISTS', key) == 0 then redis.call('HDEL', KEYS[6], cause) end
    if note ~= '' then
      redis.call('LPUSH', KEYS[7], note)
      noted = true
    end
    removed = removed + 1
    results[n + 1] = '1'
    changed[removed] = string.match(id, '%d+%-%d+$') .. '=' .. (ARGV[1] == 'base' and 'moved' or ARGV[1])
  end
end
if removed > 0 then
  redis.call('HINCRBY', KEYS[3], 'dead', -removed)
  redis.call('HINCRBY', KEYS[3], ARGV[1], removed)
  redis.call('XADD', KEYS[#KEYS], '*', 'h', ARGV[#ARGV], 'e', table.concat(changed, ' '))
end
if noted then redis.call('LTRIM', KEYS[7], 0, tonumber(ARGV[2]) - 1) end
return table.concat(results)
