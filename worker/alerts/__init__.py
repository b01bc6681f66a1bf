"""Alerts: what needs somebody is sent to people, in stages, by whichever process is alive."""
