"""Documented routes whose effect is not simulated: they answer as documented, and the activity log says so."""

from collections.abc import Callable
from typing import Any

from falcon.asgi import Request, Response

from worker.simulator.batches import read_object
from worker.simulator.desk import Desk, Visit, succeed
from worker.simulator.v1 import refuse

SEGMENT_IDS_MAX = 1000
_ID_TYPES = frozenset({"id", "email", "cio_id"})


class OtherDoor:
    """POST of one route: `check` says what is wrong with its body and its `id_type`, or nothing.

    Only the segment routes document a 401; the others are also called by browsers and devices, without credentials.
    """

    def __init__(
        self, desk: Desk, name: str, check: Callable[[bytes, str], str], *, status: int = 200, is_open: bool = True
    ) -> None:
        self._desk = desk
        self._name = name
        self._check = check
        self._status = status
        self._is_open = is_open

    async def on_post(self, req: Request, resp: Response, **_: Any) -> None:
        """Answer as documented; change nothing."""
        visit = self._visit(req, resp)
        if visit is None:
            return
        message = self._check(visit.body, req.get_param("id_type") or "id")
        if message:
            refuse(visit, req, resp, message)
            return
        visit.workspace.note("not simulated", self._name)
        if self._status == 204:
            resp.status = 204
        else:
            succeed(resp)

    def _visit(self, req: Request, resp: Response) -> Visit | None:
        if self._is_open and not req.get_header("Authorization"):
            return self._desk.guest(req)
        return self._desk.admit(req, resp)


def add_others(app: Any, desk: Desk) -> None:
    """Add the routes."""
    for action in ("add_customers", "remove_customers"):
        door = OtherDoor(desk, f"segments {action}", check_segment, is_open=False)
        app.add_route(f"/api/v1/segments/{{segment_id}}/{action}", door)
    app.add_route("/api/v1/forms/{form_id}/submit", OtherDoor(desk, "form submission", check_form, status=204))
    app.add_route("/api/v1/metrics", OtherDoor(desk, "metrics", check_object))
    app.add_route("/api/v1/push/events", OtherDoor(desk, "push events", check_object))
    app.add_route("/unsubscribe/{delivery_id}", OtherDoor(desk, "unsubscribe", check_unsubscribe))


def check_segment(body: bytes, id_type: str) -> str:
    """What is wrong with a change of a segment: up to 1000 ids of one type."""
    if id_type not in _ID_TYPES:
        return "id_type must be id, email or cio_id"
    ids = (read_object(body) or {}).get("ids")
    if not isinstance(ids, list) or not ids:
        return "ids must be a non-empty array"
    if len(ids) > SEGMENT_IDS_MAX:
        return "ids cannot have more than 1000 entries"
    return "" if all(isinstance(one, str) and one for one in ids) else "ids must be non-empty strings"


def check_form(body: bytes, _id_type: str) -> str:
    """What is wrong with a form submission: its fields are an object."""
    return "" if isinstance((read_object(body) or {}).get("data"), dict) else "data must be an object"


def check_object(body: bytes, _id_type: str) -> str:
    """What is wrong with a report of a device or a message: it is an object."""
    return "body must be a JSON object" if read_object(body) is None else ""


def check_unsubscribe(body: bytes, _id_type: str) -> str:
    """What is wrong with an unsubscription; a one-click one may be empty."""
    return check_object(body, "") if body else ""
