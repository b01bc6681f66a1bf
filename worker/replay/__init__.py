"""Replay jobs: dead letters and retained events, sent again."""
