"""Mapping: an event and an integration become Customer.io operations, or a reason why not."""
