"""Configuration: settings, the integrations file, the catalogue of event codes."""
