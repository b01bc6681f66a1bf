"""Dead letters: what could not be delivered, and all that on-call can do about it."""
