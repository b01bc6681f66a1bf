"""What the relay is told: settings, integrations and the catalogue of event codes."""
