"""Composition root: the one place where parts are made and joined."""

from worker.app.process import Relay, package_version, read_settings, relay

__all__ = ["Relay", "package_version", "read_settings", "relay"]
