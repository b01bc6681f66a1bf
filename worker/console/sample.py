"""One event code of an integration: an example as Customer.io would get it, and a test event sent to a person."""

import json
from urllib.parse import quote

from worker.acts.record import Doer
from worker.acts.testing import Environment, make_test_event, preview_test_event, send_test_event
from worker.app import Relay
from worker.console.access.roles import Permission
from worker.console.page import Page
from worker.console.telling import meaning
from worker.console.visit import NoSuchPageError, Redirect, Reply, Screen, Visit

_PERSON = "test-person"


class SamplePage(Page):
    """`GET /integrations/{name}/events/{code}?person=`; POST sends the example as a test event."""

    does = Permission.ACT

    def __init__(self, parts: Relay) -> None:
        self._parts = parts

    def get(self, visit: Visit) -> Reply:
        """What would become of the example, stage by stage."""
        name, code = visit.path["name"], visit.path["code"]
        config = self._parts.integrations
        one = config.integrations.get(name)
        if one is None:
            raise NoSuchPageError(f"There is no integration {name} in force: a draft of one has no examples.")
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
            "takers": [each.name for each in config.of_source(one.source) if "SANDBOX" in each.environments],
            "may_act": visit.viewer.may(Permission.ACT),
            "here": f"/integrations/{name}/events/{quote(code, safe='')}",
        }
        return Screen("sample.html", facts)

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
