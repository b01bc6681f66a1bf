"""State of people, and the user properties computed from it."""
