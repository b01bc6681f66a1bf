"""Worker processes: shutdown flag, watchdog, pulse, memory, logs."""
