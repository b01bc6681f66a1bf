"""Access to the console: who may enter, what they may do, and what of people they see."""
