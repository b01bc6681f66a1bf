"""Purchasely's events: payload, name, time, person."""
