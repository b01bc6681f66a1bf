"""Outcomes of events that are not delivered: filtered or dead, each with its reason."""

from typing import Literal

import msgspec

FilterReason = Literal[
    "disabled",  # the integration is switched off
    "environment",  # another integration of the source takes this environment
    "environment_unclaimed",  # no integration of the source takes it
    "event_off",  # the event filter does not enable this code
    "no_person",  # its ids are placeholders ("undefined"): somebody's bug, nobody's profile
    "anonymous",  # nobody is logged in and the policy is "skip"
    "late",  # older than Customer.io's 72 h and late = "skip"
    "suppressed",  # on-call or the person asked for silence
    "forgotten",  # the person was forgotten while the event waited
    "shadow",  # send = false: it would have been sent
    "discarded",  # on-call decided that this dead letter will not be sent
]

DeadReason = Literal[
    "not_json",  # stored bytes are no JSON object
    "no_event_name",
    "webhook_version",  # a payload of Purchasely's webhook version 2
    "no_person",
    "invalid_time",
    "too_large",  # a limit of the API, checked before sending
    "rejected",  # Customer.io refused this event
    "properties_rejected",  # Customer.io took the event and refused what it says of its person
    "crashed_mapping",  # the relay's own code fails at it
    "crashed_worker",  # processing it kills the worker process
]


class Filtered(msgspec.Struct, frozen=True, gc=False):
    """The integration does not want the event: a success with a reason."""

    reason: FilterReason


class Dead(msgspec.Struct, frozen=True, gc=False):
    """The event cannot be delivered as it is.

    `stage` is where it ended (read, map, send), `field` what is wrong, `status` Customer.io's HTTP status (0: it
    was not asked), `message` what it said, or what was found before asking.
    """

    reason: DeadReason
    stage: Literal["read", "map", "send"]
    field: str = ""
    status: int = 0
    message: str = ""
