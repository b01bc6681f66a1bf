"""What every worker process needs: shutdown flag, watchdog, memory, logs."""
