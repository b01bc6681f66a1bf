"""One event code of an integration: an example as Customer.io would get it, and a test event sent to a person."""

import json
from urllib.parse import quote

from config.errors import ConfigError
from config.integrations import Integrations
from worker.acts.record import Doer
from worker.acts.testing import Environment, make_test_event, preview_test_event, send_test_event
from worker.app import Relay
from worker.console.access.roles import Permission
from worker.console.drafting import Desk
from worker.console.page import Page
from worker.console.telling import meaning
from worker.console.visit import NoSuchPageError, Redirect, Reply, Screen, Visit

_PERSON = "test-person"


class SamplePage(Page):
    """`GET /integrations/{name}/events/{code}?person=&draft=`; POST sends the example as a test event.

    It is as in force, or with the viewer's draft: that is asked for, and all there is of an integration not in force.
    """

    does = Permission.ACT

    def __init__(self, parts: Relay) -> None:
        self._parts = parts
        self._desk = Desk(parts)

    def get(self, visit: Visit) -> Reply:
        """What would become of the example, stage by stage."""
        name, code = visit.path["name"], visit.path["code"]
        running = self._parts.integrations
        config, sides = self._side(visit, name, running)
        one = config.integrations.get(name)
        if one is None:
            raise NoSuchPageError(f"There is no integration {name}, in force or in your draft.")
        person = visit.asked("person") or _PERSON
        environment: Environment = "PRODUCTION" if "PRODUCTION" in one.environments else "SANDBOX"
        test = make_test_event(config, one.source, code, person, environment)
        # who may not see personal data is not shown what is known of whoever they name
        offline = not visit.viewer.may(Permission.REVEAL)
        (explained,) = preview_test_event(self._parts, test, [one], offline=offline)
        facts = {
            "name": name,
            "code": code,
            "meaning": meaning(code),
            "person": person,
            "explained": explained,
            "operations": [json.dumps(one, indent=2, ensure_ascii=False) for one in explained["operations"]],
            "payload": json.dumps(test.payload, indent=2, ensure_ascii=False),
            "takers": [each.name for each in running.of_source(one.source) if "SANDBOX" in each.environments],
            "may_act": sides["is_running"] and visit.viewer.may(Permission.ACT),
            **sides,
            "here": f"/integrations/{name}/events/{quote(code, safe='')}",
        }
        return Screen("sample.html", facts)

    def _side(self, visit: Visit, name: str, running: Integrations) -> tuple[Integrations, dict[str, bool | str]]:
        """The configuration that the example is shown with, and what the page says of the two that there may be."""
        drafted, error = self._draft_of(visit)
        is_running, is_in_draft = (side is not None and name in side.integrations for side in (running, drafted))
        is_drafted = is_in_draft and (visit.asked("draft") == "yes" or not is_running)
        said = {"has_draft": drafted is not None, "is_in_draft": is_in_draft, "is_drafted": is_drafted}
        config = drafted if drafted is not None and is_drafted else running
        return config, {**said, "is_running": is_running, "draft_error": error}

    def _draft_of(self, visit: Visit) -> tuple[Integrations | None, str]:
        """The viewer's draft, or what is wrong with it; None and no word: they have none."""
        draft = self._desk.open(visit.viewer.login)
        if not draft.is_changed or not visit.viewer.may(Permission.DRAFT):
            return None, ""
        try:
            return self._desk.read(draft), ""
        except ConfigError as fault:
            return None, str(fault)

    def post(self, visit: Visit) -> Reply:
        """Send it, in the sandbox unless production was asked for."""
        one = self._parts.integrations.integrations.get(visit.path["name"])
        if one is None:
            raise NoSuchPageError(f"There is no integration {visit.path['name']}.")
        environment: Environment = "PRODUCTION" if visit.entered("environment") == "PRODUCTION" else "SANDBOX"
        config = self._parts.integrations
        test = make_test_event(config, one.source, visit.path["code"], visit.entered("person"), environment)
        from worker.tasks import wake  # noqa: PLC0415 - makes Celery's application

        sent = send_test_event(self._parts, test, Doer(visit.viewer.login), wake)
        said = "On its way. It is marked relay_test; this is what becomes of it."
        return Redirect(f"/events/{sent.place}", said)
