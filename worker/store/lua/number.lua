#!lua flags=allow-oom
-- Give groups of dead letters small numbers, each the same for everybody until it was not asked for in a long time.
-- KEYS  numbers
-- ARGV  now (ms), how long a number is kept after its group was last listed (ms), then the groups
-- Returns a number for each group.
local known, used = {}, {}
local rows = redis.call('HGETALL', KEYS[1])
local asked = {}
for i = 3, #ARGV do asked[ARGV[i]] = true end
for i = 1, #rows, 2 do
  local number, seen = string.match(rows[i + 1], '^(%d+) (%d+)$')
  if asked[rows[i]] or tonumber(seen) + tonumber(ARGV[2]) > tonumber(ARGV[1]) then
    known[rows[i]] = tonumber(number)
    used[tonumber(number)] = true
  else
    redis.call('HDEL', KEYS[1], rows[i])
  end
end
local reply, free = {}, 1
for i = 3, #ARGV do
  local number = known[ARGV[i]]
  if not number then
    while used[free] do free = free + 1 end
    number = free
    used[number] = true
  end
  redis.call('HSET', KEYS[1], ARGV[i], number .. ' ' .. ARGV[1])
  reply[i - 2] = number
end
return reply
