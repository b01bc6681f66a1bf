"""The front desk of every Track route: lets a caller in, and writes the answers they share."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import orjson
from falcon.asgi import Request, Response

from worker.simulator.accounts import Account, Allowance, Host, credentials
from worker.simulator.faults import Dice, Faults
from worker.simulator.limits import Rules
from worker.simulator.wire import Exchange
from worker.simulator.workspace import Workspace, describe

JSON_TYPE = "application/json; charset=utf-8"
NO_CACHE = "no-cache, no-store, must-revalidate, max-age=0"


class Visit(NamedTuple):
    """An admitted request. `is_dropped`: it is over the rate, and to be accepted but lost."""

    account: Account
    workspace: Workspace
    exchange: Exchange
    is_dropped: bool

    @property
    def body(self) -> bytes:
        """The bytes that came."""
        return self.exchange.body

    def note_refusal(self, req: Request, status: int, problems: Iterable[dict[str, Any]], items: list[Any]) -> None:
        """Note what was refused and why; `batch_index` of a problem is the place of its item."""
        for problem in problems:
            at = problem.get("batch_index", 0)
            why = " ".join(filter(None, (problem.get("field"), problem.get("message"))))
            self.workspace.refuse(status, req.path, why, describe(items[at]) if at < len(items) else "")

    def note_people(self, people: Iterable[tuple[str, str]]) -> None:
        """Note who the request is about; somebody who is in another one too is a defect."""
        mine = {(self.account.site_id, *one) for one in people}
        for _, kind, value in sorted(self.exchange.touch(mine)):
            self.workspace.add_defect("concurrent_person", f"{kind}:{value}")


class Desk:
    """Checks credentials, region and rate, in that order."""

    def __init__(
        self,
        workspaces: dict[Account, tuple[Workspace, Allowance]],
        host: Host,
        rules: Rules,
        dice: Dice,
        *,
        is_dropping: bool,
    ) -> None:
        self.rules = rules
        self.dice = dice
        self._host = host
        self._is_dropping = is_dropping
        self.load(workspaces)

    @property
    def faults(self) -> Faults:
        """What goes wrong at present."""
        return self.dice.faults

    def load(self, workspaces: dict[Account, tuple[Workspace, Allowance]]) -> None:
        """Serve these workspaces from now on."""
        self._doors = {(one.site_id, one.api_key): (one, *workspaces[one]) for one in workspaces}

    def guest(self, req: Request) -> Visit:
        """The visit of a caller without credentials, to the first workspace."""
        account, workspace, _ = next(iter(self._doors.values()))
        return Visit(account, workspace, req.scope["simulator.exchange"], is_dropped=False)

    def admit(self, req: Request, resp: Response) -> Visit | None:
        """The visit, or None with the answer already written."""
        name = credentials(req.get_header("Authorization") or "")
        door = self._doors.get(name) if name else None
        detour = self._host.detour(door[0], req.path) if door else (401, "")
        if door is None or detour is not None:
            turn_away(resp, *(detour or (401, "")))
            self._note_stranger(req, name, *(detour or (401, "")))
            return None
        account, workspace, allowance = door
        is_over = not allowance.spend()
        if is_over and not self._is_dropping:
            fill(resp, 429, {"meta": {"error": "Too many requests"}})
            workspace.refuse(429, req.path, "over the rate limit")
            return None
        return Visit(account, workspace, req.scope["simulator.exchange"], is_over)

    def _note_stranger(self, req: Request, name: tuple[str, str] | None, status: int, location: str) -> None:
        """Note it in the workspace that has this site id, else in the first; never the key."""
        site_id = name[0] if name else ""
        doors = list(self._doors.values())
        account, workspace, _ = next((door for door in doors if door[0].site_id == site_id), doors[0])
        why = f"wrong region, sent to {location}" if location else "wrong region" if name in self._doors else ""
        if not why:
            why = "wrong API key" if account.site_id == site_id else "no workspace has these credentials"
        workspace.refuse(status, req.path, why)


def turn_away(resp: Response, status: int, location: str) -> None:
    """Answer a caller who has no business at this host."""
    if location:
        resp.set_header("Location", location)
        fill(resp, status, {"meta": {"error": "wrong datacenter"}})
    else:
        fill(resp, status, {"meta": {"error": "Unauthorized"}})


def fill(resp: Response, status: int, content: dict[str, Any]) -> None:
    """Answer with JSON."""
    resp.status = status
    resp.content_type = JSON_TYPE
    resp.data = orjson.dumps(content, option=orjson.OPT_APPEND_NEWLINE)


def succeed(resp: Response) -> None:
    """Answer as the live API does: `{}` and a newline."""
    resp.content_type = JSON_TYPE
    resp.set_header("Cache-Control", NO_CACHE)
    resp.data = b"{}\n"
