#!lua flags=allow-oom
-- Note of an entry that was discarded here that its letter came back on another shard. Nothing is noted of one that was
-- not discarded, or of which this is noted already.
-- KEYS  changes
-- ARGV  the entry, what is noted of it
-- Returns 1, or 0 when nothing was noted.
-- include prelude
if not was_discarded(KEYS[1], ARGV[1]) then return 0 end
note_change(KEYS[1], ARGV[1], 'moved', ARGV[2])
return 1
