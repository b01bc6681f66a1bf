"""`relay simulate`: a Customer.io of one's own, to send to and to break."""

import ipaddress
import json
import os
import re
from typing import TYPE_CHECKING, Any

import click

from worker.cli.choices import chosen_word
from worker.cli.printing import say, say_lines
from worker.cli.sections import SectionedCommand

if TYPE_CHECKING:
    from worker.simulator.app import Options
    from worker.simulator.faults import Faults

# name of the knob -> its values and what it decides; the first value is the default
KNOBS: dict[str, tuple[tuple[str, ...], str]] = {
    "non_ulid": (("accept", "reject"), "An event id that is no ULID."),
    "ulid_scope": (("workspace", "person"), "Where a repeated ULID is a duplicate."),
    "kb": (("1000", "1024"), "Bytes in a kilobyte of the limits."),
    "oversize_status": (("400", "413"), "Answer to a body over 32 kb (entity) or 500 kb (batch)."),
    "oversize_item": (("item", "whole"), "A batch item over 32 kb fails alone, or all do."),
    "non_object_item": (("item", "whole"), "A batch item that is no object fails alone, or all."),
    "all_invalid": (("207", "400"), "Answer to a batch without a valid item."),
    "anonymous_identify": (("accept", "invalid"), "An identify by anonymous_id."),
    "invite": (("accept", "reject"), "A v1 anonymous event that names nobody."),
    "numeric_id": (("reject", "accept"), "A number as id in a v1 identify."),
    "email_update": (("by-cio-id", "by-any"), "Who may change an e-mail that is set."),
}


def knob_options(command: Any) -> Any:
    """Give a command one option for each knob."""
    for name, (values, text) in reversed(KNOBS.items()):
        flag = f"--{name.replace('_', '-')}"
        option = click.option(flag, name, type=click.Choice(values), default=values[0], show_default=True, help=text)
        command = option(command)
    return command


@click.command(cls=SectionedCommand)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8085, show_default=True, help="Port to listen on; 0: a free one.")
@click.option(
    "--workspace",
    "workspaces",
    multiple=True,
    metavar="SITE_ID:API_KEY[:us|eu]",
    help="A workspace; repeatable.  [default: sandbox-site:sandbox-key:us]",
)
@click.option(
    "--region",
    type=click.Choice(["us", "eu"]),
    help="The region whose host is played.  [default: each workspace's own]",
)
@click.option(
    "--wrong-region",
    type=click.Choice(["redirect", "proxy", "401"]),
    default="proxy",
    show_default=True,
    help="What the US host does with an EU workspace; the EU host answers 401 to a US one.",
)
@click.option(
    "--redirect-status",
    type=click.Choice(["301", "302", "307", "308"]),
    default="301",
    show_default=True,
    help="How a wrong region is redirected.",
)
@click.option(
    "--redirect-base",
    default="",
    help="Where to, as a base URL.  [default: the region's real host]",
)
@click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="KIND=next:N|CHANCE",
    help="Fault to inject: in the next N requests, or in each by chance (0 to 1); repeatable. The kinds are below; "
    "a status alone is one too: 503=next:20.",
)
@click.option("--seed", type=int, help="Seed of the faults that come by chance.")
@click.option("--slow-s", type=float, default=15.0, show_default=True, help="How long a slow answer takes, in seconds.")
@click.option(
    "--drip-s",
    type=float,
    default=0.5,
    show_default=True,
    help="Pause between the bytes of a dripping answer, in seconds.",
)
@click.option(
    "--retry-after",
    type=click.Choice(["none", "seconds", "date"]),
    default="none",
    show_default=True,
    help="Form of Retry-After on 408, 413, 429 and 503.",
)
@click.option("--retry-after-s", type=int, default=1, show_default=True, help="Value of Retry-After, in seconds.")
@click.option(
    "--error-body",
    type=click.Choice(["json", "html", "empty"]),
    default="json",
    show_default=True,
    help="Body of an injected error.",
)
@click.option(
    "--reject-event-name",
    "rejected",
    multiple=True,
    metavar="NAME",
    help="An event name that is the invalid item of a 207; repeatable.",
)
@click.option(
    "--reject-attribute",
    "attributes",
    multiple=True,
    metavar="NAME",
    help="A person's attribute that makes its identify the invalid item of a 207; repeatable.",
)
@click.option(
    "--refuse-event-name",
    "refused",
    multiple=True,
    metavar="NAME",
    help="An event name that makes its whole batch a 400; repeatable.",
)
@click.option(
    "--fail-event-name",
    "failing",
    multiple=True,
    metavar="NAME",
    help="An event name that makes its whole batch a 500; repeatable.",
)
@knob_options
@click.option(
    "--rate-limit",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Rate limit of a workspace, requests a second; 0: none.",
)
@click.option(
    "--over-limit",
    type=click.Choice(["429", "drop"]),
    default="429",
    show_default=True,
    help="What happens above the limit: refused, or accepted and lost.",
)
@click.option("--keep-events", type=click.IntRange(min=1), help="Keep the newest N events.  [default: all]")
@click.option("--lean", is_flag=True, help="Check, deduplicate and count, but keep nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print where it listens as one JSON line.")
def simulate(host: str, port: int, *, as_json: bool, **flags: Any) -> None:
    """Run a strict Customer.io Track API on this machine.

    A sandbox without an account: send to it, see what arrives at its page, make it fail.
    """
    from worker.simulator.app import Simulator
    from worker.simulator.serve import address_of, listen, serve

    options = read_options(flags)
    try:
        listener = listen(host, port)
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else str(error)  # its own text names the address once more
        raise click.UsageError(f"cannot listen on {host}:{port}: {why}; choose another with --port") from None
    with listener:
        url = address_of(listener)
        say_lines(as_line(url, options) if as_json else as_block(url, options))
        if not is_private(listener.getsockname()[0]):
            say("Its page has no password: whoever reaches this address sees it all.", err=True)
        serve(Simulator(options), listener)


def is_private(address: str) -> bool:
    """Whether only this machine can reach an address."""
    return ipaddress.ip_address(address).is_loopback


def read_options(flags: dict[str, Any]) -> "Options":
    """The simulator's options from the command's flags.

    Raises:
        click.UsageError: one of them cannot be read.
    """
    import msgspec

    from worker.simulator.accounts import Host, read_account
    from worker.simulator.app import SANDBOX, Options
    from worker.simulator.limits import Rules

    try:
        accounts = [read_account(text, 1 + at) for at, text in enumerate(flags["workspaces"])]
        faults = read_faults(flags)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    if len({account.site_id for account in accounts}) < len(accounts):
        raise click.UsageError("two workspaces have one site id")
    knobs = {name: flags[name] for name in KNOBS}
    host = {name: flags[name] for name in Host.__struct_fields__}
    return Options(
        accounts=tuple(accounts) or (SANDBOX,),
        host=msgspec.convert(host, Host, strict=False),
        rules=msgspec.convert(knobs, Rules, strict=False),
        faults=faults,
        rate_limit=flags["rate_limit"],
        over_limit=flags["over_limit"],
        keep_events=flags["keep_events"],
        lean=flags["lean"],
    )


def read_faults(flags: dict[str, Any]) -> "Faults":
    """What goes wrong, from the command's flags.

    Raises:
        ValueError: a fault cannot be read, or there is no such kind.
    """
    from worker.simulator.faults import KINDS, Faults, read_fault

    armed = [read_fault(text) for text in flags["faults"]]
    named = {kind: f"status_{kind}" if kind.isdigit() else kind for kind, _ in armed}
    for kind in named.values():
        chosen_word("fault", kind, KINDS, prefix=False)
    return Faults(
        arm={named[kind]: fault for kind, fault in armed},
        seed=flags["seed"],
        slow_s=flags["slow_s"],
        drip_s=flags["drip_s"],
        retry_after=flags["retry_after"],
        retry_after_s=flags["retry_after_s"],
        body=flags["error_body"],
        reject_event_names=frozenset(flags["rejected"]),
        reject_attributes=frozenset(flags["attributes"]),
        refuse_event_names=frozenset(flags["refused"]),
        fail_event_names=frozenset(flags["failing"]),
    )


def as_line(url: str, options: "Options") -> str:
    """Where it listens, for a program."""
    sites = [{"site_id": one.site_id, "region": one.region} for one in options.accounts]
    return json.dumps({"url": url, "page": f"{url}/", "workspaces": sites})


def as_block(url: str, options: "Options") -> str:
    """Where it listens, and what to write in an integrations file."""
    from worker.simulator.app import SANDBOX

    lines = [f"Customer.io, simulated. What arrives: {url}/   (Ctrl-C stops it)", ""]
    suffixes = variable_suffixes([account.site_id for account in options.accounts])
    for account in options.accounts:
        # a key that was given is known to who gave it; it does not belong on a screen
        key = account.api_key if account == SANDBOX else "<the key you gave>"
        suffix = suffixes[account.site_id]
        lines += [
            f"Workspace {account.site_id}, under [integrations.NAME]:",
            f'  region   = "{account.region}"',
            f'  base_url = "{url}"',
            f'  site_id  = "env:CUSTOMERIO_SITE_ID{suffix}"   # CUSTOMERIO_SITE_ID{suffix}={account.site_id}',
            f'  api_key  = "env:CUSTOMERIO_API_KEY{suffix}"   # CUSTOMERIO_API_KEY{suffix}={key}',
            "",
        ]
    return "\n".join(lines)


def variable_suffixes(sites: list[str]) -> dict[str, str]:
    """What sets each workspace's variable names apart: nothing for a single one.

    >>> variable_suffixes(["shop-eu", "shop-us"])
    {'shop-eu': '_SHOP_EU', 'shop-us': '_SHOP_US'}
    """
    if len(sites) == 1:
        return {sites[0]: ""}
    plain = {site: "_" + re.sub(r"\W", "_", site, flags=re.ASCII).upper() for site in sites}
    if len(set(plain.values())) == len(sites):
        return plain
    return {site: f"{suffix}_{place}" for place, (site, suffix) in enumerate(plain.items(), 1)}
