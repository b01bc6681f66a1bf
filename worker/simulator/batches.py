"""Batches of Track API v2: which items fail, and when all of it does."""

from collections.abc import Collection, Container
from typing import Any, NamedTuple

import msgspec
import orjson

from worker.simulator.entities import check_entity
from worker.simulator.limits import Problem, Rules

MALFORMED = Problem("parse_error", "", "body must be a JSON object")


class _Sized(msgspec.Struct):
    batch: list[msgspec.Raw]


class Verdict(NamedTuple):
    """What a batch comes to: the failed items' entries and the entities to apply, or `whole`."""

    errors: list[dict[str, Any]]
    good: list[dict[str, Any]]
    whole: list[Problem]


def judge_batch(
    items: list[Any],
    sizes: list[int] | None,
    rules: Rules,
    rejected: Container[str] = (),
    attributes: Collection[str] = (),
) -> Verdict:
    """Check every item of a batch.

    `sizes` are the items' lengths as sent (None: none can be too large); `rejected` are event names that fail on
    purpose, `attributes` those of a person. With `whole` filled nothing is to be applied.
    """
    errors: list[dict[str, Any]] = []
    good: list[dict[str, Any]] = []
    for index, item in enumerate(items):
        if sizes and sizes[index] > rules.entity_max_bytes:
            problems = [Problem("invalid", "", f"must be {rules.entity_max_bytes} bytes or less")]
            if rules.oversize_item == "whole":
                return Verdict([], [], problems)
        elif not isinstance(item, dict) and rules.non_object_item == "whole":
            return Verdict([], [], check_entity(item, rules))
        else:
            problems = check_entity(item, rules, rejected, attributes)
        if problems:
            errors += [{"batch_index": index, **problem._asdict()} for problem in problems]
        else:
            good.append(item)
    return Verdict(errors, good, [])


def read_object(body: bytes) -> dict[str, Any] | None:
    """The JSON object in a body, or None: no object, or no JSON (like NaN, or invalid UTF-8)."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None


def read_items(body: bytes) -> tuple[list[Any], Problem | None]:
    """The items of a batch, or why the whole is malformed."""
    content = read_object(body)
    if content is None:
        return [], MALFORMED
    items = content.get("batch")
    if items is None:
        return [], Problem("required", "batch", "is required")
    if not isinstance(items, list) or not items:
        return [], Problem("invalid", "batch", "must be a non-empty array")
    return items, None


def item_sizes(body: bytes, rules: Rules) -> list[int] | None:
    """The length of every item of a valid batch as it was sent; None when none can be too large."""
    if len(body) <= rules.entity_max_bytes:
        return None
    return [len(bytes(item)) for item in msgspec.json.decode(body, type=_Sized).batch]
