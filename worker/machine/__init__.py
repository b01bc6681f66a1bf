"""One machine: its processes, its embedded server, and what `relay check` finds out about where it stands."""
