"""v2 of the Track API over HTTP: one entity, and a batch of them."""

from collections.abc import Iterable
from typing import Any

from falcon.asgi import Request, Response

from worker.simulator.batches import MALFORMED, item_sizes, judge_batch, read_items, read_object
from worker.simulator.desk import Desk, Visit, fill, succeed
from worker.simulator.entities import check_entity
from worker.simulator.limits import Problem, address


class EntityDoor:
    """POST /api/v2/entity."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def on_post(self, req: Request, resp: Response) -> None:
        """Check and apply one entity."""
        visit = self._desk.admit(req, resp)
        if visit is None:
            return
        rules, faults = self._desk.rules, self._desk.faults
        if len(visit.body) > rules.entity_max_bytes:
            fill_errors(visit, req, resp, rules.oversize_status, [too_large(rules.entity_max_bytes)])
            return
        entity = read_object(visit.body)
        if has_event([entity], faults.fail_event_names):
            fail(self._desk, resp)
            return
        refused = faults.reject_event_names | faults.refuse_event_names
        problems = [MALFORMED] if entity is None else check_entity(entity, rules, refused, faults.reject_attributes)
        if problems or entity is None:
            visit.workspace.reject([{}])
            fill_errors(visit, req, resp, 400, problems, [entity])
        else:
            apply(visit, [entity])
            succeed(resp)


class BatchDoor:
    """POST /api/v2/batch."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def on_post(self, req: Request, resp: Response) -> None:
        """Apply the valid items; the others are named in a 207."""
        visit = self._desk.admit(req, resp)
        if visit is None:
            return
        rules, faults = self._desk.rules, self._desk.faults
        if len(visit.body) > rules.batch_max_bytes:
            fill_errors(visit, req, resp, rules.oversize_status, [too_large(rules.batch_max_bytes)])
            return
        items, problem = read_items(visit.body)
        if problem is None and has_event(items, faults.fail_event_names):
            fail(self._desk, resp)
            return
        if problem is None and has_event(items, faults.refuse_event_names):
            self._desk.dice.counts["refuse_event_names"] += 1
            problem = Problem("invalid", "batch", "is refused by the simulator, as asked")
        if problem is not None:
            fill_errors(visit, req, resp, 400, [problem])
            return
        sizes = item_sizes(visit.body, rules)
        verdict = judge_batch(items, sizes, rules, faults.reject_event_names, faults.reject_attributes)
        if verdict.whole:
            fill_errors(visit, req, resp, 400, verdict.whole)
            return
        apply(visit, verdict.good)
        if not verdict.errors:
            succeed(resp)
            return
        visit.workspace.reject(verdict.errors)
        status = 207 if verdict.good else rules.all_invalid
        visit.note_refusal(req, status, verdict.errors, items)
        fill(resp, status, {"errors": verdict.errors})


def fail(desk: Desk, resp: Response) -> None:
    """Answer that the server failed; nothing is applied."""
    desk.dice.counts["fail_event_names"] += 1
    fill(resp, 500, {"meta": {"error": "fails at this event, as asked"}})


def has_event(items: list[Any], names: frozenset[str]) -> bool:
    """Whether a batch has an event that poisons the whole of it, on purpose."""
    return bool(names) and any(isinstance(item, dict) and item.get("name") in names for item in items)


def apply(visit: Visit, entities: list[dict[str, Any]]) -> None:
    """Apply entities that passed, and note who they share with other requests under way."""
    visit.note_people(
        {
            address(entity[field])
            for entity in entities
            if entity["type"] == "person"
            for field in _WHO.get(entity["action"], _ONE)
        }
    )
    if visit.is_dropped:
        visit.workspace.drop(entities)
    else:
        visit.workspace.apply(entities)


def too_large(max_bytes: int) -> Problem:
    """The entry for a body over the limit."""
    return Problem("invalid", "", f"body must be {max_bytes} bytes or less")


def fill_errors(
    visit: Visit, req: Request, resp: Response, status: int, problems: list[Problem], items: Iterable[Any] = ()
) -> None:
    """Answer that the whole request is wrong."""
    errors = [problem._asdict() for problem in problems]
    visit.note_refusal(req, status, errors, list(items))
    fill(resp, status, {"errors": errors})


_ONE = ("identifiers",)
_WHO = {"merge": ("primary", "secondary")}
