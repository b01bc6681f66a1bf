"""`relay init`: an integrations file to begin with."""

import shlex
import sys
from pathlib import Path

import click

from worker.cli.printing import echo_json, say, say_hanging
from worker.errors import OperatorError

_HEAD = """\
# The integrations file: who may send events, and what is sent to Customer.io. Every key: docs/configuration.md.
# Secrets are references: "env:NAME", "file:/path" or "sealed:..." (relay seal). Look at it with: relay check
# Put it in force with RELAY_INTEGRATIONS=<this file>, or without that variable with: relay config apply <this file>

# A Purchasely app; in its console, "Client webhook URL" is https://<your host>/webhooks/purchasely/{source}
[sources.{source}]
webhook_secret = "env:PURCHASELY_WEBHOOK_SECRET"   # the client shared secret of the console
# tokens = ["env:UPSTREAM_TOKEN"]                # of your own services, which send to /v1/events/{source}
"""
_INTEGRATION = """
# {what}
[integrations.{name}]
source = "{source}"
region = "{region}"                                # us | eu: where the workspace is
site_id = "env:{prefix}_SITE_ID"
api_key = "env:{prefix}_API_KEY"
environments = ["{environment}"]

[integrations.{name}.identity]
anonymous = "{anonymous}"                             # skip | event | profile: customers who are not logged in

[integrations.{name}.events]
"*" = true                                         # all events, under their own names
# ACTIVATE = false                                 # but not this one
# SUBSCRIPTION_STARTED = "Subscription Started"    # and this one under another name

[integrations.{name}.user_properties]
has_active_subscription = true
subscription_status = true
plan = true
effective_next_renewal_at = "next_renewal_at"
"""


@click.command()
@click.argument("file", type=click.Path(path_type=Path), default="integrations.toml")
@click.option("--source", help="Name of the Purchasely app; part of its webhook's URL.  [default: my-app]")
@click.option("--region", type=click.Choice(["eu", "us"]), help="Where the Customer.io workspace is.  [default: eu]")
@click.option("--sandbox/--no-sandbox", default=None, help="A second workspace for test purchases.  [default: no]")
@click.option(
    "--anonymous",
    type=click.Choice(["skip", "event", "profile"]),
    help="Customers who are not logged in.  [default: skip]",
)
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def init(
    file: Path,
    source: str | None,
    region: str | None,
    anonymous: str | None,
    *,
    sandbox: bool | None,
    force: bool,
    as_json: bool,
) -> None:
    """Write FILE (default: integrations.toml), commented, from a few questions; what a flag says is not asked."""
    asking = sys.stdin.isatty() and not as_json
    if file.exists() and not force:
        raise OperatorError(f"{file} is there already: name another file, or write over it with --force")
    if asking:
        source = source or click.prompt("name of the Purchasely app, for its webhook's URL", default="my-app")
        region = region or click.prompt("region of the workspace", type=click.Choice(["eu", "us"]), default="eu")
        if sandbox is None:
            sandbox = click.confirm("a second workspace for test purchases?", default=False)
    text = compose(source or "my-app", region or "eu", anonymous or "skip", sandbox=bool(sandbox))
    names = _check(text, str(file))
    try:
        file.write_text(text, "utf-8")
    except OSError as fault:
        raise OperatorError(f"{file} cannot be written ({fault.strerror})") from None
    if as_json:
        echo_json({"file": str(file), "variables": names})
        return
    say_hanging(f"{file} is written. Set {', '.join(names)}, then:")
    set_file = f"RELAY_INTEGRATIONS={shlex.quote(str(file))}"
    say(f"  {set_file} relay check")
    say(f"  {set_file} relay up")


def compose(source: str, region: str, anonymous: str, *, sandbox: bool) -> str:
    """The text of a file."""
    text = _HEAD.format(source=source)
    common = {"source": source, "region": region, "anonymous": anonymous}
    text += _INTEGRATION.format(
        what="The Customer.io workspace of your customers.",
        name="production",
        prefix="CUSTOMERIO",
        environment="PRODUCTION",
        **common,
    )
    if sandbox:
        text += _INTEGRATION.format(
            what="A second workspace, so that no test purchase reaches a customer's profile.",
            name="sandbox",
            prefix="CUSTOMERIO_SANDBOX",
            environment="SANDBOX",
            **common,
        )
    return text


def _check(text: str, path: str) -> list[str]:
    """The environment variables that the file names.

    Raises:
        OperatorError: an answer makes no usable file.
    """
    import re

    from config.integrations import ConfigError, parse

    names = list(dict.fromkeys(re.findall(r'^[^#\n]*"env:(\w+)"', text, re.MULTILINE)))
    try:
        parse(text, path, dict.fromkeys(names, "set later"))
    except ConfigError as error:
        raise OperatorError(*error.problems) from None
    return names
