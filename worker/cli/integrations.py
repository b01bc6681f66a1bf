"""Options that name integrations, completed from those there are."""

from collections.abc import Callable
from typing import Any

import click

from worker.cli.completing import INTEGRATIONS

Decorator = Callable[[Any], Any]


def several_integrations(text: str = "Only this integration.") -> Decorator:
    """`--integration NAME`, as often as one likes: `integrations`."""
    return click.option(
        "--integration", "integrations", multiple=True, metavar="NAME", help=text, shell_complete=INTEGRATIONS
    )


def one_integration(text: str) -> Decorator:
    """`--integration NAME`, which must be given: `name`."""
    return click.option("--integration", "name", required=True, metavar="NAME", help=text, shell_complete=INTEGRATIONS)
