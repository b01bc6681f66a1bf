"""One lease: read, map, send, settle."""
