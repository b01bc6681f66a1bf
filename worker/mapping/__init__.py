"""An event becomes operations."""
