#!lua flags=allow-oom
-- End a hold; what an operator holds, only an operator resumes.
-- KEYS  hold
-- ARGV  who ends it: operator, relay
-- Returns 1; 0 when there is none; -1 when it is an operator's and stays
if ARGV[1] ~= 'operator' and redis.call('HGET', KEYS[1], 'by') == 'operator' then return -1 end
return redis.call('DEL', KEYS[1])
