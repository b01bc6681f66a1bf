"""The Customer.io Track API."""
