"""`relay config apply` and `relay config rollback`: a plan, a question, a new revision in force."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from worker.cli.acting import BY, WHY, acting
from worker.cli.completing import REVISIONS
from worker.cli.config.plan import SINCE, ask_keys, look, show, show_keys, show_warnings
from worker.cli.printing import count, echo_json, say
from worker.errors import OperatorError

if TYPE_CHECKING:
    from worker.app import Relay
    from worker.history.planned import Plan
    from worker.revisions.store import Origin

_YES = click.option("--yes", is_flag=True, help="Do not ask; removes no integration by itself.")
_REMOVE = click.option(
    "--remove",
    multiple=True,
    metavar="NAME",
    help="Remove this integration, with the events that wait for it and its dead letters.",
)
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@WHY
@_YES
@_REMOVE
@SINCE
@BY
@_JSON
def apply(
    file: Path, message: str, *, yes: bool, remove: tuple[str, ...], since: str, by: str | None, as_json: bool
) -> None:
    """Put FILE in force on every host: shows the plan, asks, publishes, and waits until all processes run it.

    FILE may be - for standard input; then --yes is needed, since nobody can be asked.

    Refused when another revision was applied since the plan, and where RELAY_INTEGRATIONS names a file: the file owns
    the configuration then.
    """
    from worker.acts.publishing import refuse_if_owned_by_file
    from worker.cli.given import read_given, spoken
    from worker.cli.parts import open_parts

    parts = open_parts()
    refuse_if_owned_by_file(parts)
    text = read_given(file)
    _Publication(parts, text, spoken(file), "command", message, by, as_json=as_json).run(since, remove, yes=yes)


@click.command()
@click.argument("number", type=click.IntRange(1), metavar="N", shell_complete=REVISIONS)
@WHY
@_YES
@_REMOVE
@SINCE
@BY
@_JSON
def rollback(
    number: int, message: str, *, yes: bool, remove: tuple[str, ...], since: str, by: str | None, as_json: bool
) -> None:
    """Put the content of revision N in force again, as a new revision, through the same plan."""
    from worker.cli.parts import open_parts
    from worker.revisions.store import digest_of

    parts = open_parts()
    text = parts.revisions.get(number).text
    note = message or f"back to revision {number}"
    _Publication(parts, text, f"revision {number}", "rollback", note, by, as_json=as_json).run(since, remove, yes=yes)
    if not as_json and parts.on_disk.is_other_than(digest_of(text)):
        say(f"{parts.settings.integrations} still says otherwise: deploy the content of revision {number} there too")


class _Publication:
    """One text on its way into force."""

    def __init__(
        self, parts: "Relay", text: str, path: str, origin: "Origin", note: str, by: str | None, *, as_json: bool
    ) -> None:
        self._parts = parts
        self._text = text
        self._path = path
        self._origin: Origin = origin
        self._note = note
        self._by = by
        self._as_json = as_json

    def run(self, since: str, remove: tuple[str, ...], *, yes: bool) -> None:
        """Plan, ask, publish, wait."""
        from worker.acts.publishing import publish

        plan, lines = look(self._parts, self._text, self._path, since, quiet=self._as_json)
        if not self._as_json:
            show(plan, lines)
            show_keys(ask_keys(self._parts, plan, self._text, self._path))
            show_warnings(self._parts, self._text)
        if self._parts.live.loaded.revision.text == self._text and plan.revision:
            if self._as_json:
                echo_json({"revision": plan.revision, "published": False})
            return
        self._agree(plan, remove, yes=yes)
        doer = acting(self._by, self._note)
        number = publish(self._parts, self._text, self._origin, plan.revision, plan.removed, doer)
        self._follow(plan, number)

    def _agree(self, plan: "Plan", remove: tuple[str, ...], *, yes: bool) -> None:
        """Ask what must be asked.

        Raises:
            OperatorError: an integration would be removed, and its name was not given.
            click.UsageError: a name was given that stays; or nobody can be asked.
            click.Abort: the answer is no.
        """
        for name in remove:
            if name not in plan.removed:
                raise click.UsageError(f"--remove {name}: {self._path} does not remove it")
        asking = not self._as_json and sys.stdin.isatty()
        for name in plan.removed:
            if name in remove:
                continue
            if not asking:
                raise OperatorError(
                    f"{self._path} removes {name}, and what waits for it is given up: add --remove {name} to agree"
                )
            if click.prompt(f"to give up what waits for {name}, type its name", default="") != name:
                raise click.Abort
        if yes:
            return
        if not asking:
            raise click.UsageError("nobody can be asked here: add --yes, or look at `relay config plan` first")
        click.confirm("put it in force?", abort=True)

    def _follow(self, plan: "Plan", number: int) -> None:
        """Wait until the live processes run it; then what was removed goes."""
        from worker.acts.publishing import retire, wait_for_uptake

        seen = wait_for_uptake(self._parts, number)
        alive, behind = seen.alive, seen.behind
        removed = retire(self._parts) if plan.removed and not behind else []
        if self._as_json:
            answer: dict[str, Any] = {"revision": number, "published": True, "removed": removed}
            echo_json({**answer, "processes": len(alive), "behind": len(behind)})
        else:
            running = f"{count(len(alive) - len(behind))} of {count(len(alive))} processes run it"
            say(f"revision {number} is in force; {running}")
            for one in behind:
                say(f"  {one.role} {one.host}/{one.pid} does not: its log says why", fg="yellow")
        if behind:
            raise click.exceptions.Exit(1)
