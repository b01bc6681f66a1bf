"""What is known of a person, and the user properties that follow from it."""
