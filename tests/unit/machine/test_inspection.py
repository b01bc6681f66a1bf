"""What is said of keys, regions and addresses."""

import pytest
import redis

from config.integrations import parse
from worker.customerio.track_api import Region
from worker.machine.faults import reason
from worker.machine.inspection import judge_key, look_at_file
from worker.machine.servers import place

FILE = """
[sources.app]
webhook_secret = "env:S"
[integrations.production]
source = "app"
region = "eu"
site_id = "env:S"
api_key = "env:K"
environments = {environments}
{extra}
[integrations.production.events]
"*" = true
"""


def file(environments='["PRODUCTION"]', extra="", more=""):
    text = FILE.format(environments=environments, extra=extra) + more
    return parse(text, "integrations.toml", {"S": "site", "K": "key", "S2": "site-two"})


def production(**kwargs):
    return file(**kwargs).integrations["production"]


def test_a_key_in_its_region_is_well():
    """The region the file says is the one Customer.io says."""
    fact = judge_key(production(), Region(200, "eu", 3))
    assert (fact.level, fact.text) == ("ok", "the key works, region eu, workspace 3")


def test_a_wrong_region_is_named_with_the_right_one_and_the_line():
    """The message says what to write and where."""
    fact = judge_key(production(), Region(200, "us", 3))
    assert (fact.level, fact.remedy) == ("wrong", 'write region = "us" (line 6 of the file)')
    assert 'region "us", not "eu"' in fact.text


def test_with_a_base_url_the_region_is_only_a_word():
    """Where base_url decides, a region that does not fit loses nothing."""
    fact = judge_key(production(extra='base_url = "http://127.0.0.1:8085"'), Region(200, "us", 1))
    assert fact.level == "warning"
    assert "http://127.0.0.1:8085" in fact.text


@pytest.mark.parametrize(
    ("answer", "message", "remedy"),
    [
        (Region(401, message="Unauthorized"), "refused: Unauthorized", "site_id and api_key"),
        (Region(403, message="Forbidden"), "refused: Forbidden", "site_id and api_key"),
        (Region(0, message="no answer in time"), "no answer: no answer in time", "network"),
        (Region(301, message="301: redirected"), "does not answer as Customer.io", "base_url and region"),
        (Region(404, message="404 Not Found"), "does not answer as Customer.io", "base_url and region"),
        (Region(200, message="200 OK"), "does not answer as Customer.io: 200 OK", "base_url and region"),
    ],
)
def test_a_key_that_does_not_work_is_wrong_with_a_remedy(answer, message, remedy):
    """Each answer has its own meaning."""
    fact = judge_key(production(), answer)
    assert fact.level == "wrong"
    assert message in fact.text
    assert remedy in fact.remedy


def levels(integrations):
    return [(fact.subject, fact.text) for fact in look_at_file(integrations) if fact.level == "warning"]


def test_an_integration_for_both_environments_is_warned_of():
    """Test purchases must not reach the profiles of real customers unnoticed."""
    ((subject, text),) = levels(file('["PRODUCTION", "SANDBOX"]'))
    assert subject == "production"
    assert "test purchases" in text


def test_what_is_never_sent_is_said():
    """Nobody should look for a purchase_token in Customer.io."""
    facts = [fact for fact in look_at_file(file('["PRODUCTION"]')) if "never sent" in fact.text]
    assert [(fact.level, "purchase_token" in fact.text, "reply_to" in fact.text) for fact in facts] == [
        ("ok", True, True)
    ]


OTHER = """
[integrations.sandbox]
source = "app"
region = "eu"
site_id = "env:{site}"
api_key = "env:K"
environments = ["SANDBOX"]
[integrations.sandbox.events]
"*" = true
"""


def test_two_integrations_of_one_workspace_are_warned_of_as_well():
    """Production's keys with SANDBOX beside them are the same mistake in two tables."""
    ((subject, text),) = levels(file(more=OTHER.format(site="S")))
    assert subject == "production"
    assert "the workspace of sandbox" in text


def test_a_workspace_of_its_own_for_sandbox_is_well():
    """The recommended set-up has no warning."""
    assert levels(file(more=OTHER.format(site="S2"))) == []


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://:secret@127.0.0.1:6379/0", "redis://127.0.0.1:6379/0"),
        ("rediss://user:p%40ss@host:1/2?ssl_cert_reqs=none&password=x", "rediss://host:1/2"),
        ("redis://host", "redis://host"),
        ("unix:///tmp/redis.sock?db=1&password=x", "unix:///tmp/redis.sock"),
    ],
)
def test_an_address_is_shown_without_credentials(url, shown):
    """No password reaches the screen."""
    assert place(url) == shown


def test_a_fault_is_told_without_the_clients_text():
    """The client's text may hold the address with its password."""
    assert reason(redis.AuthenticationError("wrong secret")) == "it refuses the user or password"
    assert reason(redis.TimeoutError("redis://:secret@host")) == "no answer in time"
    assert reason(redis.ConnectionError("redis://:secret@host")) == "ConnectionError"
