"""The configuration in force: numbered revisions, taken up live."""
