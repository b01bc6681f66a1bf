#!lua flags=allow-oom
-- Take, prolong or give back the lease of the archive, even when memory is full: to trim is what makes room.
-- KEYS  lease
-- ARGV  token, life of the lease (ms; 0: give it back)
-- Returns 1, or 0 when it is another's.
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
if ARGV[2] == '0' then
  redis.call('DEL', KEYS[1])
else
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
end
return 1
