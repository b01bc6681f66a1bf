"""`relay config …`: the configuration in force, and how it changes."""
