"""Requests to Customer.io of each integration, by answer and duration, as the workers have counted them."""

from collections.abc import Mapping

import msgspec


class Requests(msgspec.Struct):
    """One integration's requests: by status ("none": no answer), by upper bound (ms), and milliseconds in all."""

    statuses: dict[str, int] = {}
    durations: dict[str, int] = {}
    sum_ms: int = 0


def read_requests(counters: Mapping[str, int]) -> dict[str, Requests]:
    """The requests of all integrations, from the counters."""
    found: dict[str, Requests] = {}
    for name, count in counters.items():
        match name.split(":"):
            case ["request", integration, status]:
                found.setdefault(integration, Requests()).statuses["none" if status == "0" else status] = count
            case ["request_ms", integration, bound]:
                found.setdefault(integration, Requests()).durations[bound] = count
            case ["request_sum_ms", integration]:
                found.setdefault(integration, Requests()).sum_ms = count
    return found
