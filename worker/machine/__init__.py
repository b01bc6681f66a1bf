"""One machine: its processes, its embedded server, and the checks of `relay check`."""
