"""v1 of the Track API over HTTP: customers, their events and devices, anonymous events, merges."""

from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from falcon.asgi import Request, Response

from worker.simulator import bodies
from worker.simulator.accounts import HOSTS
from worker.simulator.batches import read_object
from worker.simulator.desk import Desk, Visit, fill, succeed
from worker.simulator.v2 import apply

Entity = dict[str, Any]


class Door:
    """What the v1 routes share: an admitted JSON object, checked, made an entity and applied."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def _serve(
        self,
        visit: Visit,
        req: Request,
        resp: Response,
        check: Callable[[Entity], str],
        make: Callable[[Entity], Entity],
    ) -> None:
        """Apply what the body means, or answer 400 with what is wrong."""
        body = read_object(visit.body)
        message = "body must be a JSON object" if body is None else check(body)
        if message or body is None:
            refuse(visit, req, resp, message)
        else:
            entity = make(body)
            faults = self._desk.faults
            if entity.get("name") in faults.reject_event_names | faults.refuse_event_names:
                refuse(visit, req, resp, "event name is rejected by the simulator, as asked")
                return
            apply(visit, [entity])
            succeed(resp)

    def _serve_path(
        self,
        visit: Visit,
        req: Request,
        resp: Response,
        identifier: str,
        make: Callable[[str], Entity],
    ) -> None:
        """Apply what the path alone means."""
        message = bodies.check_path(identifier)
        if message:
            refuse(visit, req, resp, message)
        else:
            apply(visit, [make(identifier)])
            succeed(resp)


class CustomerDoor(Door):
    """PUT and DELETE /api/v1/customers/{identifier}."""

    async def on_put(self, req: Request, resp: Response, identifier: str) -> None:
        """Create or update a person."""
        visit, name = self._desk.admit(req, resp), unquote(identifier)
        if visit is not None:
            self._serve(
                visit,
                req,
                resp,
                lambda body: bodies.check_path(name) or bodies.check_identify(body, self._desk.rules),
                lambda body: bodies.identify_entity(name, body),
            )

    async def on_delete(self, req: Request, resp: Response, identifier: str) -> None:
        """Delete a person; 200 as well when there is none."""
        visit = self._desk.admit(req, resp)
        if visit is not None:
            self._serve_path(visit, req, resp, unquote(identifier), lambda name: bodies.bare_entity(name, "delete"))


class SuppressionDoor(Door):
    """POST /api/v1/customers/{identifier}/suppress and …/unsuppress."""

    def __init__(self, desk: Desk, action: str) -> None:
        super().__init__(desk)
        self._action = action

    async def on_post(self, req: Request, resp: Response, identifier: str) -> None:
        """Block an identifier, or free it."""
        visit = self._desk.admit(req, resp)
        if visit is not None:
            self._serve_path(
                visit,
                req,
                resp,
                unquote(identifier),
                lambda name: bodies.bare_entity(name, self._action),
            )


class CustomerEventsDoor(Door):
    """POST /api/v1/customers/{identifier}/events."""

    async def on_post(self, req: Request, resp: Response, identifier: str) -> None:
        """Track an event of a person."""
        visit, name = self._desk.admit(req, resp), unquote(identifier)
        if visit is not None:
            rules = self._desk.rules
            self._serve(
                visit,
                req,
                resp,
                lambda body: bodies.check_path(name) or bodies.check_event(body, rules),
                lambda body: bodies.event_entity(bodies.path_identifiers(name), body),
            )


class AnonymousEventsDoor(Door):
    """POST /api/v1/events."""

    async def on_post(self, req: Request, resp: Response) -> None:
        """Track an event of nobody known."""
        visit = self._desk.admit(req, resp)
        if visit is None:
            return
        rules = self._desk.rules

        def make(body: Entity) -> Entity:
            if not bodies.has_anyone(body):
                visit.workspace.add_defect("event_without_anyone", body["name"])
            return bodies.event_entity({"anonymous_id": body.get("anonymous_id") or ""}, body)

        self._serve(visit, req, resp, lambda body: bodies.check_anonymous_event(body, rules), make)


class MergeDoor(Door):
    """POST /api/v1/merge_customers."""

    async def on_post(self, req: Request, resp: Response) -> None:
        """Merge one person into another."""
        visit = self._desk.admit(req, resp)
        if visit is not None:
            self._serve(visit, req, resp, bodies.check_merge, bodies.merge_entity)


class DevicesDoor(Door):
    """PUT /api/v1/customers/{identifier}/devices."""

    async def on_put(self, req: Request, resp: Response, identifier: str) -> None:
        """Add a device."""
        visit, name = self._desk.admit(req, resp), unquote(identifier)
        if visit is not None:
            self._serve(
                visit,
                req,
                resp,
                lambda body: bodies.check_path(name) or bodies.check_device(body),
                lambda body: bodies.device_entity(name, "add_device", body["device"]),
            )


class DeviceDoor(Door):
    """DELETE /api/v1/customers/{identifier}/devices/{device_id}."""

    async def on_delete(self, req: Request, resp: Response, identifier: str, device_id: str) -> None:
        """Forget a device."""
        visit, device = self._desk.admit(req, resp), {"id": unquote(device_id)}
        if visit is not None:
            self._serve_path(
                visit,
                req,
                resp,
                unquote(identifier),
                lambda name: bodies.device_entity(name, "delete_device", device),
            )


class RegionDoor:
    """GET /api/v1/accounts/region, the same on either region's host."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def on_get(self, req: Request, resp: Response) -> None:
        """Tell a workspace where it lives."""
        visit = self._desk.admit(req, resp)
        if visit is not None:
            region = visit.account.region
            number = visit.account.environment_id
            fill(resp, 200, {"url": HOSTS[region], "region": region, "environment_id": number})


def refuse(visit: Visit, req: Request, resp: Response, message: str) -> None:
    """Answer that the request is wrong."""
    visit.workspace.reject([{}])
    parts = req.path.split("/")
    about = [{"identifiers": bodies.path_identifiers(unquote(parts[4]))}] if parts[3:4] == ["customers"] else []
    visit.note_refusal(req, 400, [{"message": message}], about)
    fill(resp, 400, {"meta": {"error": message}})
