"""Composition root of the simulator: an ASGI application."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import falcon.asgi

from worker.simulator import v1, v2
from worker.simulator.accounts import Account, Allowance, Host
from worker.simulator.desk import Desk
from worker.simulator.faults import Dice, Faults
from worker.simulator.inspection import Inspection
from worker.simulator.limits import Rules
from worker.simulator.others import add_others
from worker.simulator.wire import Wire
from worker.simulator.workspace import Workspace

SANDBOX = Account("sandbox-site", "sandbox-key")


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to simulate. `rate_limit` is requests a second and workspace, 0 for none."""

    accounts: tuple[Account, ...] = (SANDBOX,)
    host: Host = field(default_factory=Host)
    rules: Rules = field(default_factory=Rules)
    faults: Faults = field(default_factory=Faults)
    rate_limit: int = 0
    over_limit: Literal["429", "drop"] = "429"
    keep_events: int | None = None
    lean: bool = False


class Simulator:
    """The simulated Track API of some workspaces; `asgi` serves it."""

    def __init__(self, options: Options, clock: Callable[[], float] = time.time) -> None:
        self.options = options
        self.dice = Dice(options.faults)
        self._clock = clock
        self._parts = self._make()
        self._desk = Desk(
            self._parts,
            options.host,
            options.rules,
            self.dice,
            is_dropping=options.over_limit == "drop",
        )
        self.asgi = Wire(self._routes(), self.dice, clock)

    @property
    def tally(self) -> Counter[str]:
        """What was sent to callers of the Track API, by status."""
        return self.asgi.tally

    def accounts(self) -> list[Account]:
        """Who may call."""
        return list(self._parts)

    def workspace(self, site_id: str | None = None) -> tuple[Account, Workspace]:
        """One workspace, or the first.

        Raises:
            KeyError: there is none with this site id.
        """
        for account, (workspace, _) in self._parts.items():
            if site_id in (None, account.site_id):
                return account, workspace
        raise KeyError(site_id)

    def reset(self) -> None:
        """Be as at the start."""
        self._parts = self._make()
        self._desk.load(self._parts)
        self.tally.clear()
        self.dice.counts.clear()
        self.dice.load(self.options.faults)

    def _make(self) -> dict[Account, tuple[Workspace, Allowance]]:
        options = self.options
        return {
            account: (
                Workspace(
                    options.rules,
                    self._clock,
                    keep_events=options.keep_events,
                    lean=options.lean,
                ),
                Allowance(options.rate_limit, self._clock),
            )
            for account in options.accounts
        }

    def _routes(self) -> Any:
        """The routes, Customer.io's and the simulator's own."""
        app: Any = falcon.asgi.App()
        desk = self._desk
        customer = "/api/v1/customers/{identifier}"
        app.add_route("/api/v1/accounts/region", v1.RegionDoor(desk))
        app.add_route("/api/v1/events", v1.AnonymousEventsDoor(desk))
        app.add_route("/api/v1/merge_customers", v1.MergeDoor(desk))
        app.add_route(customer, v1.CustomerDoor(desk))
        app.add_route(f"{customer}/events", v1.CustomerEventsDoor(desk))
        app.add_route(f"{customer}/devices", v1.DevicesDoor(desk))
        app.add_route(f"{customer}/devices/{{device_id}}", v1.DeviceDoor(desk))
        for action in ("suppress", "unsuppress"):
            app.add_route(f"{customer}/{action}", v1.SuppressionDoor(desk, action))
        app.add_route("/api/v2/entity", v2.EntityDoor(desk))
        app.add_route("/api/v2/batch", v2.BatchDoor(desk))
        add_others(app, desk)
        inspection = Inspection(self)
        for path in ("/", "/page.css", "/page.js"):
            app.add_route(path, inspection, suffix="page")
        app.add_route("/_inspect/people/find", inspection, suffix="find")
        app.add_route("/_inspect/people/{kind}/{value}", inspection, suffix="person")
        for name in ("people", "events", "stats", "defects", "activity", "refused", "reset", "faults"):
            app.add_route(f"/_inspect/{name}", inspection, suffix=name)
        return app
