"""A strict Customer.io Track API on this machine: a sandbox for people, a double for tests."""
