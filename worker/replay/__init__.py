"""Replay jobs."""
