"""What was, and what would be: the effect of a configuration on retained traffic."""
