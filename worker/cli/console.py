"""`relay console`: the web console alone, and one-time links into it."""

import re

import click

from worker.cli.acting import BY, WHY, doer, record
from worker.cli.printing import echo_json, say, span

_UNITS_S = {"m": 60, "h": 3600, "d": 86_400}
_LONGEST_S = 7 * 86_400


@click.group(invoke_without_command=True)
@click.pass_context
def console(ctx: click.Context, /) -> None:
    """Run the web console; `relay console link` lets somebody in.

    RELAY_CONSOLE_HOST and RELAY_CONSOLE_PORT say where it listens, RELAY_CONSOLE_LOGIN who may enter: link, proxy,
    oidc. Exit 2: nobody could log in.
    """
    if ctx.invoked_subcommand is None:
        from worker.cli.run import become

        become("console")


@console.command()
@click.option(
    "--role",
    type=click.Choice(["viewer", "editor", "operator", "admin"]),
    default="viewer",
    show_default=True,
    help="What they may do.",
)
@click.option(
    "--for", "lifetime", default="30m", show_default=True, metavar="TIME", help="How long it is good: 30m, 2h."
)
@click.option("--login", metavar="NAME", help="Whose name their actions are recorded under.  [default: yours]")
@WHY
@BY
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def link(role: str, lifetime: str, login: str | None, message: str, by: str | None, *, as_json: bool) -> None:
    """Print an address that logs one person in, once.

    \b
    relay console link --role operator --for 30m --login anna
    """  # noqa: D301 - click's mark for lines that are not to be wrapped
    from config.roles import Role
    from worker.cli.parts import open_parts
    from worker.store.links import link_address, new_link

    lasts_s = _seconds(lifetime)
    parts = open_parts()
    name = login or doer(by)
    address = link_address(parts.settings, new_link(parts.redis, Role(role), name, lasts_s))
    record(parts, "console link", f"{name} as {role}", by=by, why=message, result=f"good for {span(lasts_s * 1000)}")
    if as_json:
        echo_json({"url": address, "role": role, "login": name, "lifetime_s": lasts_s})
        return
    say(address)
    say(f"logs in {name} as {role}, once, within {span(lasts_s * 1000)}", err=True)
    if "link" not in parts.settings.console_login:
        say("the console must have RELAY_CONSOLE_LOGIN=link to take it (`relay up` sets it)", err=True)


def _seconds(text: str) -> int:
    found = re.fullmatch(r"(\d{1,5})([mhd])", text)
    lasts_s = int(found[1]) * _UNITS_S[found[2]] if found else 0
    if not 0 < lasts_s <= _LONGEST_S:
        raise click.UsageError(f"--for {text}: write 30m, 2h or 1d, at most 7d")
    return lasts_s
