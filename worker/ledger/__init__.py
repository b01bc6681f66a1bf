"""The counts: books, audit, metrics, bounds."""
