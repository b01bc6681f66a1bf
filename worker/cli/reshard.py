"""`relay reshard`: more shards, while the relay runs."""

from fractions import Fraction
from typing import TYPE_CHECKING

import click

from worker.cli.acting import BY, WHY, acting
from worker.cli.dead.options import DRY_RUN, JSON, YES, confirm
from worker.cli.parts import open_parts
from worker.cli.printing import count, echo_json, note, say_hanging, say_lines, several, show_progress

if TYPE_CHECKING:
    from collections.abc import Iterator

    from worker.acts.resharding import Growth
    from worker.upkeep.growing import Progress


@click.command()
@click.argument("shards", type=click.IntRange(1))
@YES
@DRY_RUN
@WHY
@BY
@JSON
def reshard(shards: int, *, yes: bool, dry_run: bool, message: str, by: str | None, as_json: bool) -> None:
    """Spread events over SHARDS shards, a whole multiple of what there are, while the relay runs.

    \b
    relay reshard 32 --dry-run
    relay reshard 32

    First the plan, then the question. New events go to the new shards at once, and wait there until what was stored
    before of the same people is delivered. Broken off at any moment: the same command again goes on. Every process
    takes the number up by itself; then set RELAY_SHARDS to it, or leave it out.
    """  # noqa: D301 - click's mark for lines that are not to be wrapped
    import msgspec

    from worker.acts.resharding import look_ahead
    from worker.acts.resharding import reshard as grow

    parts = open_parts()
    if parts.layout.shards == shards and not parts.layout.moving:
        _end({"shards": shards, "done": True}, [f"there are {shards} shards"], as_json)
        return
    growth = look_ahead(parts, shards)
    if not as_json:
        say_hanging(told(growth))
    if dry_run or growth.stops:
        if as_json:
            echo_json(msgspec.to_builtins(growth))
        raise click.exceptions.Exit(1 if growth.stops else 0)
    confirm(f"{'go on to' if growth.moving else 'grow to'} {shards} shards?", yes=yes, as_json=as_json)
    telling = Telling()
    if as_json:
        done = grow(parts, growth, acting(by, message), lambda _: None)
    else:
        done = grow(parts, growth, acting(by, message), telling.tell, telling.look)
        telling.end_line()
    # what a run moved that was broken off is not counted anywhere
    here = " in this run, which went on where the last one ended" if growth.moving else ""
    lines = [
        f"{shards} shards; {several(done.states, 'state')} and {several(done.letters, 'dead letter')} moved{here}",
        f"set RELAY_SHARDS={shards} wherever it is set; a process that has the former number says so and goes on",
    ]
    counts = {"states": done.states, "letters": done.letters, "went_on": growth.moving}
    _end({"shards": shards, "done": True, **counts}, lines, as_json)


def told(growth: "Growth") -> list[str]:
    """The plan in lines."""
    times, per = growth.to // growth.shards, growth.shards * (growth.to // growth.shards - 1)
    share = Fraction(per, growth.to)
    again = "goes on (it was broken off)" if growth.moving else "would begin"
    lines = [
        f"from {growth.shards} to {growth.to} shards {again}: each is divided into {times}, {count(per)} are new",
        f"about {share.numerator} of {share.denominator} people move, with their states; others go on meanwhile",
        "events of people who move are stored at once, and delivered when what was stored of them before is:",
    ]
    for name, waiting in growth.waiting.items():
        held = ", held: its people on new shards wait until `relay resume`" if name in growth.held else ""
        lines.append(f"  {name}: {several(waiting, 'event')} to deliver first{held}")
    if growth.letters:
        lines.append(f"{several(growth.letters, 'dead letter')} go where their people go")
    if growth.jobs:
        lines.append(f"jobs end first (`relay jobs`): {', '.join(growth.jobs)}")
    lines.append(f"{several(growth.processes, 'process', 'processes')} of the relay take it up without a restart")
    lines += [f"it cannot begin: a process {stop}" for stop in growth.stops]
    return lines


class Telling:
    """Says what is new since the last step, a line each, and counts the states that move on one line."""

    def __init__(self) -> None:
        self._said: list[str] = []
        self._counted = ""

    def tell(self, found: "Progress") -> None:
        """What a step found."""
        self.end_line()
        lines = list(_lines(found))
        for line in lines:
            if line not in self._said:
                note(line)
        self._said = lines

    def look(self, moved: int) -> None:
        """How many states have moved by now."""
        self._counted = f"{count(moved)} states moved"
        show_progress(self._counted, last=False)

    def end_line(self) -> None:
        """Begin a new line where a count was written."""
        if self._counted:
            show_progress(self._counted, last=True)
        self._counted = ""


def _lines(found: "Progress") -> "Iterator[str]":
    if found.done:
        return
    if found.away:
        yield f"Redis does not serve ({found.away}); it goes on when it does"
        return
    yield f"{count(found.opened)} of {count(found.lanes)} lanes of new shards are open"
    for one in found.behind:
        held = "; it is held: `relay resume`" if one.held else ""
        yield f"{one.integration}: waits for what was stored before on {several(one.shards, 'shard')}{held}"
    if found.processes:
        yield f"has yet to take the number up: {', '.join(found.processes)}"
    if found.copying:
        yield "replicas have yet to get what was moved, from the server that stays the primary"
    if found.jobs:
        yield f"jobs that were begun before have yet to end: {', '.join(found.jobs)}"


def _end(answer: dict[str, object], lines: list[str], as_json: bool) -> None:
    if as_json:
        echo_json(answer)
    else:
        say_lines(lines)
