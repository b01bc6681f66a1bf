"""Checks the integrations file and Customer.io's keys."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations

from config.integrations import Integration, Integrations
from config.never_sent import ADDRESSES
from config.shape import REGION_URLS
from worker.customerio.track_api import Region, TrackApi
from worker.machine.serverfacts import Fact

_WAIT_S = 5
_LEFT_OUT = (
    f"never sent as attributes of events: {', '.join(sorted(ADDRESSES))}, and credentials by their exact names "
    "(token, purchase_token, receipt_data ...)"
)


def look_at_file(integrations: Integrations) -> list[Fact]:
    """What the file says of itself, and where test purchases go."""
    on = [one for one in integrations.integrations.values() if one.enabled]
    off = len(integrations.integrations) - len(on)
    text = f"{_number(len(integrations.sources), 'source')}, {_number(len(on), 'integration')}"
    if off:
        text += f", {off} more switched off"
    if shadowed := [one.name for one in on if not one.send]:
        text += f"; in shadow, sending nothing: {', '.join(shadowed)}"
    facts = [Fact("file", integrations.path, "ok", text)]
    facts += [Fact("file", integrations.path, "warning", warning) for warning in integrations.warnings]
    facts.append(Fact("file", integrations.path, "ok", _LEFT_OUT))
    return [*facts, *_test_purchases(on)]


def _number(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _test_purchases(integrations: Iterable[Integration]) -> Iterator[Fact]:
    """Sandbox events that reach the workspace of the real customers."""
    found = list(integrations)
    remedy = "give SANDBOX an integration of its own, with the keys of a second workspace"
    for one in found:
        if {"PRODUCTION", "SANDBOX"} <= one.environments:
            text = "takes SANDBOX too: test purchases change real customers' profiles and start campaigns"
            yield Fact("file", one.name, "warning", text, remedy)
    for one, other in combinations(found, 2):
        if one.site_id != other.site_id or one.base_url != other.base_url:
            continue
        if "PRODUCTION" in one.environments | other.environments and "SANDBOX" in one.environments ^ other.environments:
            text = f"sends to the workspace of {other.name}, and SANDBOX with it: test purchases reach real profiles"
            yield Fact("file", one.name, "warning", text, remedy)


def look_at_keys(integrations: Integrations, timeout_s: float) -> list[Fact]:
    """Whether Customer.io knows each enabled integration's key, and in which region."""
    on = [one for one in integrations.integrations.values() if one.enabled and (one.send or one.api_key)]
    with ThreadPoolExecutor(max_workers=8) as pool:
        answers = pool.map(lambda one: TrackApi(one, min(timeout_s, _WAIT_S)).region(), on)
        return [judge_key(one, answer) for one, answer in zip(on, answers, strict=True)]


def judge_key(integration: Integration, answer: Region) -> Fact:
    """What the region endpoint's answer means for an integration."""
    name, own_host = integration.name, integration.base_url == REGION_URLS[integration.region]
    where = "" if own_host else f" (asked at {integration.base_url})"
    if answer.status == 200 and answer.region == integration.region:
        return Fact(
            "customer.io", name, "ok", f"the key works, region {answer.region}, workspace {answer.workspace}{where}"
        )
    if answer.region and own_host:
        text = f'the key belongs to a workspace in region "{answer.region}", not "{integration.region}"'
        line = integration.lines.get(f"integrations.{name}.region")
        at = f" (line {line} of the file)" if line else ""
        return Fact("customer.io", name, "wrong", text, f'write region = "{answer.region}"{at}')
    if answer.region:
        text = f'the workspace is in region "{answer.region}", the file says "{integration.region}"{where}'
        return Fact(
            "customer.io", name, "warning", text, f'write region = "{answer.region}"; base_url decides where events go'
        )
    if answer.status in {401, 403}:
        text = f"the key is refused: {answer.message}{where}"
        lines = [integration.lines.get(f"integrations.{name}.{key}") for key in ("site_id", "api_key")]
        at = f" (lines {lines[0]} and {lines[1]} of the file)" if all(lines) else ""
        remedy = f"compare site_id and api_key{at} with Customer.io's Track API credentials"
        return Fact("customer.io", name, "wrong", text, remedy)
    if answer.status == 0:
        remedy = "check the network, a proxy's or firewall's rules" if own_host else "check base_url, and that it runs"
        return Fact("customer.io", name, "wrong", f"no answer: {answer.message}{where}", remedy)
    return Fact(
        "customer.io",
        name,
        "wrong",
        f"does not answer as Customer.io: {answer.message}{where}",
        "check base_url and region",
    )
