"""`relay send`: posts events as an upstream service does, or as Purchasely does."""

import contextlib
import io
import os
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from worker.cli.given import GivenFile
from worker.cli.printing import count, echo_json, say, several
from worker.cli.progress import Progress
from worker.errors import OperatorError

if TYPE_CHECKING:
    from config.integrations import Source
    from worker.acts.testing import Environment
    from worker.cli.posting import Poster, Sent

_CHUNK = 500


@click.command()
@click.argument("file", type=GivenFile(), required=False)
@click.option("--example", metavar="CODE", help="Send an example of this event instead of FILE, marked as a test.")
@click.option("--person", metavar="ID", help="Who the example is about: an id or an e-mail address.")
@click.option(
    "--environment",
    type=click.Choice(["SANDBOX", "PRODUCTION"]),
    default="SANDBOX",
    show_default=True,
    help="The example's.",
)
@click.option("--url", help="Where the relay's web door is.  [default: this machine, RELAY_PORT or 8080]")
@click.option("--source", help="Whose events they are.  [default: the only source of the integrations file]")
@click.option("--token-env", metavar="NAME", help="Variable that holds the token.  [default: the file's own]")
@click.option("--sign", is_flag=True, help="Post one signed event a request to the webhook, as Purchasely does.")
@click.option(
    "--patience",
    "patience_s",
    type=click.FloatRange(0),
    default=60.0,
    show_default=True,
    help="How long to retry while the relay cannot store, in seconds.",
)
@click.option("--rate", type=click.FloatRange(0), default=0.0, help="Events a second.  [default: no limit]")
@click.option("--resume", is_flag=True, help="Note progress in FILE.sent, and go on where an earlier run ended.")
@click.option(
    "--refused",
    type=click.File("ab", lazy=True),
    help="Append what the door refuses, or what is no event, to this file; go on.",
)
@click.option("--csv", "is_csv", is_flag=True, help="FILE is CSV with a head: a row is an event.")
@click.option("--map", "columns", multiple=True, metavar="COLUMN=FIELD", help="Rename a column of the CSV file.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def send(
    file: IO[bytes] | None,
    example: str | None,
    person: str | None,
    environment: "Environment",
    url: str | None,
    source: str | None,
    token_env: str | None,
    patience_s: float,
    rate: float,
    refused: IO[bytes] | None,
    columns: tuple[str, ...],
    *,
    resume: bool,
    is_csv: bool,
    sign: bool,
    as_json: bool,
) -> None:
    """Send the events of FILE (- for standard input): one JSON object, an array, or one object a line.

    Sending a file again is safe: what is stored already counts as a duplicate. Exit 1 when an event was refused;
    nothing after it is sent then, unless --refused names a file for it and its reason.

    \b
    relay send history.ndjson --rate 200 --resume --refused refused.ndjson
    relay send history.csv --csv --map type=event_name --map customer=user_id
    relay send --example RENEWAL_DISABLED --person me@example.com
    """  # noqa: D301 - click's mark for lines that are not to be wrapped
    from worker.app import read_settings
    from worker.cli.eventfile import chunks, read_events
    from worker.cli.feeding import Feed, read_csv
    from worker.cli.posting import RefusedError

    if file is None or example is not None:
        file = _example(file, example, person, source, environment)
    poster = _poster(url or f"http://127.0.0.1:{read_settings().port}", source, token_env, patience_s, sign=sign)
    if resume and file.name == "<stdin>":
        raise click.UsageError("--resume needs a file")
    notes, problem = Path(f"{file.name}.sent") if resume else None, ""
    progress = Progress("events", _size(file), quiet=as_json)
    feed = Feed(poster, rate, refused, notes, lambda number: progress.at(number, _place(file)))
    sent = feed.sent
    try:
        lenient = refused is not None
        events = read_csv(file, _columns(columns), lenient=lenient) if is_csv else read_events(file, lenient=lenient)
        skipped = feed.skipped(events)
        most = min(_CHUNK, max(1, int(rate))) if rate else _CHUNK
        with progress:
            feed.run(chunks(events, 1 if sign else most), skipped)
    except RefusedError as refusal:
        problem = f"after {several(sent.events, 'event')}: {refusal}"
    except ValueError as error:
        problem = f"{file.name}: {error}; sent before it: {several(sent.events, 'event')}"
    except KeyboardInterrupt:
        way = (
            "the same command goes on from there"
            if notes
            else "sent again, they are duplicates; --resume notes the place"
        )
        problem = f"stopped after {several(sent.events, 'event')}: {way}"
    _show(sent, file.event_id if isinstance(file, _Example) and not problem else "", as_json=as_json)
    if feed.refusals and not problem:
        problem = f"{several(feed.refusals, 'event')} refused: see {refused.name if refused else ''}"
    if problem:
        say(f"relay: {problem}", err=True)
        sys.exit(1)


class _Example(io.BytesIO):
    """An event that is in no file."""

    name = "the example"

    def __init__(self, raw: bytes, event_id: str) -> None:
        super().__init__(raw)
        self.event_id = event_id


def _example(
    file: IO[bytes] | None, code: str | None, person: str | None, source: str | None, environment: "Environment"
) -> IO[bytes]:
    """An example of a code, as a file.

    Raises:
        click.UsageError: there is a file too, or neither; or nobody is named.
    """
    from worker.acts.testing import make_test_event
    from worker.app import relay

    if code is None or file is not None:
        raise click.UsageError("give FILE, or --example CODE")
    if person is None:
        raise click.UsageError("--example needs --person, an id or an e-mail address")
    test = make_test_event(relay().integrations, _source(source).name, code, person, environment)
    return _Example(test.raw, test.event_id)


def _size(file: IO[bytes]) -> int | None:
    """How many bytes the file has; None of a pipe."""
    with contextlib.suppress(OSError):
        return os.fstat(file.fileno()).st_size or None
    return None


def _place(file: IO[bytes]) -> float:
    """How far the file is read; 0 where it cannot be said."""
    with contextlib.suppress(OSError, ValueError):
        return file.tell()
    return 0.0


def _columns(pairs: tuple[str, ...]) -> dict[str, str]:
    wrong = next((pair for pair in pairs if "=" not in pair), None)
    if wrong is not None:
        raise click.UsageError(f"--map {wrong}: write COLUMN=FIELD")
    return dict(pair.split("=", 1) for pair in pairs)


def _poster(url: str, source: str | None, token_env: str | None, patience_s: float, *, sign: bool) -> "Poster":
    from worker.cli.posting import Poster, route, signing, with_token

    def tell(news: str) -> None:
        say(f"relay: {news}", err=True)

    if token_env and source and not sign:
        # a service that only sends has no integrations file
        headers, name = with_token(_from_env(token_env)), source
    else:
        known = _source(source)
        name = known.name
        if sign:
            headers = signing(_first(known.webhook_secrets, f"source {name} has no webhook_secret to sign with"))
        elif token_env:
            headers = with_token(_from_env(token_env))
        else:
            token = _first(known.tokens, f"source {name} has no tokens; give --token-env, or --sign")
            headers = with_token(token.decode())
    return Poster(route(url, name, signed=sign), headers, patience_s, tell)


def _source(name: str | None) -> "Source":
    from worker.app import relay

    sources = relay().integrations.sources
    if name is None:
        if len(sources) != 1:
            raise OperatorError(f"which source? give --source; there are: {', '.join(sources)}")
        return next(iter(sources.values()))
    if name not in sources:
        raise OperatorError(f"no source is called {name}; there are: {', '.join(sources)}")
    return sources[name]


def _from_env(name: str) -> str:
    token = os.environ.get(name, "").strip()
    if not token:
        raise OperatorError(f"environment variable {name} is not set, or empty")
    return token


def _first(values: tuple[bytes, ...], otherwise: str) -> bytes:
    if not values:
        raise OperatorError(otherwise)
    return values[0]


def _show(sent: "Sent", example_id: str, *, as_json: bool) -> None:
    """What was sent; of an example also its id, since nobody but this command knows it."""
    if as_json:
        from msgspec import to_builtins

        echo_json({**to_builtins(sent), **({"event_id": example_id} if example_id else {})})
        return
    requests = several(sent.requests, "request")
    say(f"{count(sent.accepted)} accepted, {several(sent.duplicates, 'duplicate')}, in {requests}")
    if example_id:
        say(f"what becomes of it: relay trace {example_id}")
