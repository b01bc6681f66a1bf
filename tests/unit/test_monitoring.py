"""The monitoring examples: rules that were tried with Prometheus's tool, and queries for metrics that there are."""

import json
import re
from typing import get_args

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.support.metrics import exposition
from tests.support.pages import blocks
from tests.support.promtool import needs_promtool, promtool
from tests.unit.test_deploy import DEPLOY, ROOT
from worker.dead.bound import NEAR
from worker.ledger.need import Kind
from worker.ledger.needs import LATE_MS, PATIENCE_MS

RULES = DEPLOY / "prometheus" / "alerts.yml"
DASHBOARD = json.loads((DEPLOY / "grafana" / "relay.json").read_text())
SAMPLES = {
    sample.name: set(sample.labels)
    for family in text_string_to_metric_families(exposition())
    for sample in family.samples
}


def rules():
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def queries():
    """Every query of the dashboard and of the alerts, with its name."""
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]
    for one in DASHBOARD["annotations"]["list"]:
        yield one["name"], one["expr"]
    for variable in DASHBOARD["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["name"], variable["query"]
    for rule in rules():
        yield rule["alert"], rule["expr"]


@pytest.mark.parametrize(("name", "query"), list(queries()))
def test_every_query_is_of_a_metric_and_its_labels(name, query):
    """A metric or label that is renamed would leave an empty panel, or an alert that never comes."""
    names = set(re.findall(r"\brelay_\w+", query))
    assert names
    assert names <= set(SAMPLES)
    labels = set().union(*(SAMPLES[one] for one in names))
    groups = re.findall(r"\b(?:by|on|without)\s*\(([^)]*)\)", query) + re.findall(r"label_values\(\w+, (\w+)\)", query)
    used = {label.strip() for group in groups for label in group.split(",")}
    used |= {
        match[0]
        for matchers in re.findall(r"\{([^}]*)\}", query)
        for match in re.findall(r"(\w+)\s*(=~|!~|=|!=)", matchers)
    }
    assert used <= labels, name


@needs_promtool
def test_prometheus_understands_every_query_of_the_dashboard(tmp_path):
    """As rules, which its tool can read."""
    exprs = [query.replace("$integration", ".*") for _, query in queries() if not query.startswith("label_values")]
    path = tmp_path / "rules.yml"
    recorded = [{"record": f"query:{n}", "expr": expr} for n, expr in enumerate(exprs)]
    path.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": recorded}]}))
    ran = promtool("check", "rules", path)
    assert ran.returncode == 0, ran.stderr


@needs_promtool
def test_the_alerts_come_when_they_should():
    """deploy/prometheus/alerts_test.yml plays what happens; each rule has a case where it fires."""
    ran = promtool("test", "rules", DEPLOY / "prometheus" / "alerts_test.yml")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    cases = yaml.safe_load((DEPLOY / "prometheus" / "alerts_test.yml").read_text())["tests"]
    fired = {one["alertname"] for case in cases for one in case["alert_rule_test"] if one.get("exp_alerts")}
    assert {rule["alert"] for rule in rules()} == fired


@needs_promtool
def test_the_configuration_of_prometheus_is_valid():
    """That of compose."""
    ran = promtool("check", "config", "--syntax-only", DEPLOY / "prometheus" / "prometheus.yml")
    assert ran.returncode == 0, ran.stderr


@needs_promtool
def test_the_pages_configuration_is_valid(tmp_path):
    """What docs/metrics.md says to scrape by."""
    (text,) = blocks("docs/metrics.md", "yaml")
    (tmp_path / "prometheus.yml").write_text(text)
    ran = promtool("check", "config", "--syntax-only", tmp_path / "prometheus.yml")
    assert ran.returncode == 0, ran.stderr


def test_every_alert_says_what_happened_and_what_to_do():
    """And how urgent it is."""
    for rule in rules():
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert set(rule["annotations"]) == {"summary", "action"}


def test_the_dashboard_fits_its_grid():
    """No two panels are in the same place, and none is wider than the page."""
    places = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24
        assert not cells & places, panel["title"]
        places |= cells


def runbook():
    """The sections of the runbook about needs, by heading."""
    text = (ROOT / "docs" / "runbook.md").read_text().partition("\n## Needs\n")[2].partition("\n## ")[0]
    _, *sections = re.split(r"^### ", text, flags=re.MULTILINE)
    return {heading.strip("`"): body for heading, _, body in (section.partition("\n") for section in sections)}


def test_every_kind_of_need_has_a_rule_and_its_place_in_the_docs():
    """And every rule is under one of them: who is woken by either finds what to do."""
    sections = runbook()
    kinds = set(get_args(Kind))
    assert set(sections) == kinds | {"Without a need"}
    named = {heading: re.findall(r"`(Relay\w+)`", body) for heading, body in sections.items()}
    assert all(named.values())
    assert {rule for rules in named.values() for rule in rules} == {rule["alert"] for rule in rules()}
    page = (ROOT / "docs" / "alerts.md").read_text()
    assert set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)) == kinds


def test_the_rules_and_the_needs_have_the_same_bounds():
    """An alert of the one without the other would be two truths."""
    found = {rule["alert"]: rule for rule in rules()}
    assert {found["RelayHeld"]["for"]} == {f"{PATIENCE_MS // 60_000}m"}
    assert f"> {LATE_MS // 1000} " in found["RelayLate"]["expr"]
    assert all(f"> {NEAR} *" in found[name]["expr"] for name in ("RelayDeadLimitNear", "RelayMemoryNear"))
