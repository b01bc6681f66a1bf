"""History: what became of events, people's timelines, the effect of a configuration on retained traffic."""
