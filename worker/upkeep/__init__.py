"""Periodic work: sweep, trim, idle jobs; and forgetting a person."""
