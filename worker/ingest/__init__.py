"""The HTTP door: authenticate, store, answer."""
