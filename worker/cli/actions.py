"""`relay actions`: who did what, when and why."""

import click

from worker.cli.columns import columns, fitted
from worker.cli.printing import echo_json, local_time, say, terminal_width


@click.command()
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="How many actions to show."
)
@click.option("--after", type=click.IntRange(0), default=0, metavar="N", help="Skip the newest N.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def actions(*, limit: int, after: int, as_json: bool) -> None:
    """Show what people did with commands or the console, the newest first."""
    from worker.cli.parts import open_parts
    from worker.store.actions import Actions

    found = Actions(open_parts().redis).newest(after, limit)
    if as_json:
        echo_json({"items": found, "next": after + limit if len(found) == limit else None})
        return
    rows = [["when", "who", "what", "on", "result", "why"]]
    rows += [
        [
            local_time(one.at_ms),
            one.by,
            one.what,
            one.on,
            one.result,
            one.why,
        ]
        for one in found
    ]
    narrow = fitted(rows, terminal_width(), [3, 5], [(3, 20), (5, 16), (4, 20)])
    for line in columns(narrow) if found else ["nothing was done yet"]:
        say(line)
