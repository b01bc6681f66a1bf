"""What was, and what would be: the trail of events, people's timelines, a configuration on retained traffic."""
