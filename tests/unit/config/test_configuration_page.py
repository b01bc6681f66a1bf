"""docs/configuration.md says what the code takes."""

from config.settings import Settings
from tests.support.configuration import PAGE, parts, written


def test_the_page_is_current():
    """`python -m tests.support.configuration` writes its tables."""
    assert PAGE.read_text() == written(PAGE.read_text())


def test_every_key_and_variable_is_in_it():
    """With its default, and a meaning."""
    found = parts()
    for key in ("webhook_secret", "signature_tolerance_s", "site_id", "merge_transfers", "include", "plans", "id"):
        assert f"| `{key}` |" in found["file"]
    for name, field in Settings.model_fields.items():
        assert f"| `RELAY_{name.upper()}` |" in found["variables"]
        assert field.description, name
