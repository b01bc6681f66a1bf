#!lua
-- Put a dead letter back that is not there. Its event counts as accepted again (`base` goes back by one), so the books
-- balance whatever became of it before; not where the letter is about properties alone.
-- Without `allow-oom`: a full server takes none.
-- KEYS  ledger, dead, dead by time, dead causes, the cause's letters, changes
-- ARGV  the letter (MessagePack: letter_id, cause, about, failed_ms, record, settled), what is noted in the changes of an
--       entry that was discarded here
-- Returns 1, or 0 when it is there.
-- include prelude
local letter = cmsgpack.unpack(ARGV[1])
if redis.call('HEXISTS', KEYS[2], letter.letter_id) == 1 then return 0 end
write_letter(letter, KEYS[2], KEYS[3], KEYS[4], KEYS[5])
redis.call('HINCRBY', KEYS[1], book_of(letter.settled), 1)
if book_of(letter.settled) == 'dead' then redis.call('HINCRBY', KEYS[1], 'base', -1) end
local entry = entry_of(letter.letter_id)
if was_discarded(KEYS[6], entry) then note_change(KEYS[6], entry, 'dead', ARGV[2]) end
return 1
