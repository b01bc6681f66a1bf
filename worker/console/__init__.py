"""The web console: pages and forms over what the commands do; it has no rule of its own."""
