"""`/_inspect`: what arrived and what became of it, as JSON; and the page that shows it live."""

from collections import Counter
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote

import falcon
import msgspec
from falcon.asgi import Request, Response

from worker.simulator.accounts import Account
from worker.simulator.defects import DEFECTS
from worker.simulator.desk import JSON_TYPE
from worker.simulator.faults import KINDS, Dice, Faults
from worker.simulator.journal import Log, page_events
from worker.simulator.limits import canonical
from worker.simulator.people import Event, Person
from worker.simulator.workspace import Workspace

PAGE_MAX = 10_000
PEOPLE_MAX = 1_000_000
PARTS = {"page.html": "text/html", "page.css": "text/css", "page.js": "text/javascript"}
# Nothing but the page itself: no other host's scripts, styles or pictures, and no one's frame.
POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; "
    "connect-src 'self'; img-src data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)


class Inspected(Protocol):
    """What the inspection looks into."""

    dice: Dice

    @property
    def tally(self) -> Counter[str]:
        """What was sent, by status."""
        ...

    def workspace(self, site_id: str | None) -> tuple[Account, Workspace]:
        """One workspace, or the first.

        Raises:
            KeyError: there is none with this site id.
        """
        ...

    def accounts(self) -> list[Account]:
        """Who may call."""
        ...

    def reset(self) -> None:
        """Forget all."""
        ...


class Inspection:
    """The routes of `/_inspect`; `?workspace=SITE_ID` chooses one, else it is the first."""

    def __init__(self, inspected: Inspected) -> None:
        self._inspected = inspected

    async def on_get_people(self, req: Request, resp: Response) -> None:
        """List people in the order they came, or `newest=true` first; `after` is a serial."""
        workspace, after, limit = self._window(req)
        newest, text = self._order(req)
        if text:
            found = workspace.people.page(after, PEOPLE_MAX, newest=newest)
            people = list(islice((p for p in found if contains(show_person(p), text)), limit + 1))
        else:
            people = workspace.people.page(after, limit + 1, newest=newest)
        items = [show_person(person) for person in people[:limit]]
        write(resp, page(items, "serial", has_more=len(people) > limit))

    async def on_get_person(self, req: Request, resp: Response, kind: str, value: str) -> None:
        """Show one person with all of their events, in the order they came."""
        workspace = self._workspace(req)
        person = workspace.people.find(kind, canonical(kind, unquote(value)))
        if person is None:
            raise falcon.HTTPNotFound(description="nobody answers to this identifier")
        events = [show_event(event) for event in person.events]
        write(resp, {**show_person(person), "times": person.times, "events": events})

    async def on_get_find(self, req: Request, resp: Response) -> None:
        """Show the person with an identifier of any kind that reads like `text`."""
        person = self._workspace(req).people.search(req.get_param("text", required=True))
        if person is None:
            raise falcon.HTTPNotFound(description="nobody answers to this")
        write(resp, show_person(person))

    async def on_get_events(self, req: Request, resp: Response) -> None:
        """List events in the order they came: all, of one `name`, of one `person`; or `newest=true` first."""
        workspace, after, limit = self._window(req)
        newest, text = self._order(req)
        if newest or text:
            found = workspace.journal.scan(after, newest=newest)
            shown = (show_event(event) for event in found)
            some = list(islice((one for one in shown if not text or contains(one, text)), limit + 1))
            write(resp, page(some[:limit], "seq", has_more=len(some) > limit))
            return
        name, who = req.get_param("name") or "", req.get_param("person")
        if who is None:
            events = workspace.journal.page(after, limit + 1, name)
        else:
            person = workspace.people.search(who)
            events = page_events(person.events, 0, limit + 1, after, name) if person else []
        items = [show_event(event) for event in events[:limit]]
        write(resp, page(items, "seq", has_more=len(events) > limit))

    async def on_get_stats(self, req: Request, resp: Response) -> None:
        """Count everything."""
        workspace = self._workspace(req)
        counts = workspace.counts
        write(
            resp,
            {
                "requests": self._inspected.tally,
                "faults": self._inspected.dice.counts,
                "items": {"accepted": counts["accepted"], "rejected": counts["rejected"]},
                "people": len(workspace.people),
                "events": workspace.journal.total,
                "duplicates": counts["duplicates"],
                "stale_attributes": workspace.profiles.stale_attributes,
                "not_applied": workspace.activity.counts,
                "refused": workspace.refused.counts,
                "defects": workspace.defects.counts.total(),
                "defects_by_kind": workspace.defects.counts,
                "workspaces": [
                    {"site_id": one.site_id, "region": one.region, "id": one.environment_id}
                    for one in self._inspected.accounts()
                ],
            },
        )

    async def on_get_defects(self, req: Request, resp: Response) -> None:
        """List what a correct client would not have sent."""
        write(resp, {**self._log(req, self._workspace(req).defects), "meaning": DEFECTS})

    async def on_get_activity(self, req: Request, resp: Response) -> None:
        """List what was accepted and yet not applied."""
        write(resp, self._log(req, self._workspace(req).activity))

    async def on_get_refused(self, req: Request, resp: Response) -> None:
        """List what was answered with an error that no fault made."""
        write(resp, self._log(req, self._workspace(req).refused))

    async def on_post_reset(self, _req: Request, resp: Response) -> None:
        """Forget all: people, events, counts; faults are again those of the start."""
        self._inspected.reset()
        write(resp, {})

    async def on_get_faults(self, _req: Request, resp: Response) -> None:
        """Show what goes wrong at present, and what could."""
        write(resp, {**msgspec.to_builtins(self._inspected.dice.faults), "kinds": KINDS})

    async def on_post_faults(self, req: Request, resp: Response) -> None:
        """Replace what goes wrong; `{}` makes all well."""
        try:
            faults = msgspec.json.decode(await req.bounded_stream.read(), type=Faults)
        except msgspec.DecodeError as error:
            raise falcon.HTTPBadRequest(description=str(error)) from None
        self._inspected.dice.load(faults)
        write(resp, msgspec.to_builtins(self._inspected.dice.faults))

    async def on_get_page(self, req: Request, resp: Response) -> None:
        """Show the page that watches all this, or its script or style."""
        name = req.path.strip("/") or "page.html"
        resp.content_type = f"{PARTS[name]}; charset=utf-8"
        resp.set_header("Content-Security-Policy", POLICY)
        resp.set_header("X-Content-Type-Options", "nosniff")
        resp.set_header("Cache-Control", "no-cache")
        resp.data = page_bytes(name)

    def _log(self, req: Request, log: Log) -> dict[str, Any]:
        _, after, limit = self._window(req)
        newest, text = self._order(req)
        found = (note for note in log.scan(after, newest=newest) if not text or contains(note, text))
        notes = list(islice(found, limit + 1))
        return {**page(notes[:limit], "seq", has_more=len(notes) > limit), "counts": log.counts}

    def _order(self, req: Request) -> tuple[bool, bytes]:
        """Whether the newest come first (`after` is then where they go on), and what all must contain."""
        text = (req.get_param("text") or "").strip().lower().encode()
        return req.get_param_as_bool("newest", default=False), text

    def _workspace(self, req: Request) -> Workspace:
        try:
            return self._inspected.workspace(req.get_param("workspace"))[1]
        except KeyError:
            raise falcon.HTTPNotFound(description="no workspace has this site id") from None

    def _window(self, req: Request) -> tuple[Workspace, int, int]:
        after = req.get_param_as_int("after", min_value=0, default=0)
        limit = req.get_param_as_int("limit", min_value=1, max_value=PAGE_MAX, default=100)
        return self._workspace(req), after, limit


@lru_cache(maxsize=3)
def page_bytes(name: str) -> bytes:
    """The page, its script or its style: nothing comes from outside."""
    return Path(__file__).with_name(name).read_bytes()


def contains(shown: dict[str, Any], text: bytes) -> bool:
    """Whether what is shown has a text in it, in any case of its letters."""
    return text in msgspec.json.encode(shown).lower()


def show_person(person: Person) -> dict[str, Any]:
    """A person without the events."""
    return {
        "serial": person.serial,
        "identifiers": person.names,
        "attributes": person.attributes,
        "devices": list(person.devices.values()),
        "event_count": len(person.events),
    }


def show_event(event: Event) -> dict[str, Any]:
    """An event; `person` is the identifier it came under."""
    shown: dict[str, Any] = msgspec.structs.asdict(event)
    shown["person"] = {shown.pop("kind"): shown.pop("value")}
    return shown


def page(items: list[dict[str, Any]], cursor: str, *, has_more: bool) -> dict[str, Any]:
    """A list with the `after` of the next page, None at the end."""
    return {"items": items, "next": items[-1][cursor] if has_more else None}


def write(resp: Response, content: dict[str, Any]) -> None:
    """Answer with JSON. msgspec writes what was read at any depth, and it is fast."""
    resp.content_type = JSON_TYPE
    resp.set_header("Cache-Control", "no-store")
    resp.data = msgspec.json.encode(content)
