#!lua
-- Put a dead letter back that is not there. Its event counts as accepted again (`base` goes back by one), so the books
-- balance whatever became of it before; not where the letter is about properties alone.
-- Without `allow-oom`: a full server takes none.
-- KEYS  ledger, dead, dead by time, dead causes, the cause's letters
-- ARGV  the letter (MessagePack: letter_id, cause, about, failed_ms, record, settled)
-- Returns 1, or 0 when it is there.
-- include prelude
local letter = cmsgpack.unpack(ARGV[1])
if redis.call('HEXISTS', KEYS[2], letter.letter_id) == 1 then return 0 end
write_letter(letter, KEYS[2], KEYS[3], KEYS[4], KEYS[5])
redis.call('HINCRBY', KEYS[1], book_of(letter.settled), 1)
if book_of(letter.settled) == 'dead' then redis.call('HINCRBY', KEYS[1], 'base', -1) end
return 1
