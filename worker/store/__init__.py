"""Redis: keys, scripts, streams."""
