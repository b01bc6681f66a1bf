"""`relay config apply` and `relay config rollback`: a plan, a question, a new revision in force."""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from worker.cli.acting import BY, WHY, doer, record
from worker.cli.config.plan import SINCE, ask_keys, look, show, show_keys
from worker.cli.printing import count, echo_json, say
from worker.errors import OperatorError

if TYPE_CHECKING:
    from worker.app import Relay
    from worker.history.plan import Plan
    from worker.revisions.store import Origin, Revision

_TAKEN_UP_WITHIN_S = 10.0
_SILENT_MS = 3_000

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

    Refused when another revision was applied since the plan, and where RELAY_INTEGRATIONS names a file: the file owns
    the configuration then.
    """
    from worker.cli.parts import open_parts
    from worker.revisions.live import read_file

    parts = open_parts()
    _owned_by_redis(parts)
    text = read_file(file)
    _Publication(parts, text, str(file), "command", message, by, as_json=as_json).run(since, remove, yes=yes)


@click.command()
@click.argument("number", type=click.IntRange(1), metavar="N")
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

    parts = open_parts()
    text = parts.revisions.get(number).text
    note = message or f"back to revision {number}"
    _Publication(parts, text, f"revision {number}", "rollback", note, by, as_json=as_json).run(since, remove, yes=yes)
    if parts.settings.integrations is not None and not as_json:
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
        plan, lines = look(self._parts, self._text, self._path, since, quiet=self._as_json)
        if not self._as_json:
            show(plan, lines)
            show_keys(ask_keys(self._parts, plan, self._text, self._path))
        if self._parts.live.loaded.revision.text == self._text and plan.revision:
            if self._as_json:
                echo_json({"revision": plan.revision, "published": False})
            return
        self._agree(plan, remove, yes=yes)
        number = self._parts.revisions.publish(self._revision(plan), plan.revision)
        record(
            self._parts,
            "config rollback" if self._origin == "rollback" else "config apply",
            f"revision {number}",
            by=self._by,
            why=self._note,
            result=f"in force, after revision {plan.revision}",
        )
        self._follow(plan, number)

    def _revision(self, plan: "Plan") -> "Revision":
        from worker.revisions.store import Revision, digest_of

        seconds, micros = self._parts.redis.time()
        at_ms = int(seconds) * 1000 + int(micros) // 1000
        removed = tuple(plan.removed)
        return Revision(
            self._text, digest_of(self._text), doer(self._by), at_ms, self._note, self._origin, removed=removed
        )

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
        from worker.ledger.fleet import fleet
        from worker.upkeep.rounds import Rounds

        parts, ends = self._parts, time.monotonic() + _TAKEN_UP_WITHIN_S
        while True:
            # who was killed a moment ago is not waited for: everyone says once a second that it is alive
            alive = [
                one
                for one in fleet(parts.redis, parts.processes, parts.revisions).processes
                if one.silent_ms < _SILENT_MS
            ]
            behind = [one for one in alive if one.revision < number]
            if not behind or time.monotonic() > ends:
                break
            time.sleep(0.1)
        parts.live.look(force=True)
        removed = Rounds(parts).retirement.retire(at_once=True) if plan.removed and not behind else []
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


def _owned_by_redis(parts: "Relay") -> None:
    """Refuse where a file owns the configuration.

    Raises:
        OperatorError: it does, here or in a process that runs.
    """
    if parts.settings.integrations is not None:
        raise OperatorError(
            f"the file {parts.settings.integrations} owns the configuration (RELAY_INTEGRATIONS): change that file and "
            "deploy it; to apply from here instead, unset RELAY_INTEGRATIONS on every host"
        )
    owners = [one for one in parts.processes.all() if one.alive and one.owner == "file"]
    if owners:
        one = owners[0]
        raise OperatorError(
            f"{one.role} {one.host}/{one.pid} takes its configuration from a file (RELAY_INTEGRATIONS): deploy that "
            "file, or unset RELAY_INTEGRATIONS there first"
        )
