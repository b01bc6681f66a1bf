"""Parting an event from its person: one that was refused as a whole is sent without what it says of its person."""

import msgspec

from worker.customerio.verdict import Verdict, is_failure, verdict
from worker.delivery.judging import Request
from worker.delivery.request import Requests
from worker.mapping.outcome import Dead
from worker.store.lease import Lease


def parted(requests: Requests, request: Request, lease: Lease) -> Request:
    """What a refused request of one event came to: as it is, or with the event taken and its properties refused.

    An answer that names no item leaves open which of both was refused; the event by itself, under the same ULID, says
    it. Where that is answered by neither yes nor no (a timeout, the key, a limit), its request is returned, to be held;
    where Customer.io fails at it (a 5xx), the first answer counts.

    Raises:
        StoppedError: this process is asked to stop; what was sent is not settled.
        LeaseLostError: the lease has ended.
    """
    whole = request.composed
    events = [operation for operation in whole.operations if operation.kind == "event"]
    first = request.answer
    if first is None or not events or len(events) == len(whole.operations):
        return request
    alone = Request(1, msgspec.structs.replace(whole, operations=events))
    requests.send(alone, lease, once=True)
    answer = alone.answer
    if answer is None or answer.errors or is_failure(answer.status) or verdict(answer.status) is Verdict.SPLIT:
        return request
    if verdict(answer.status) is not Verdict.DONE:
        return alone
    refused = Dead("properties_rejected", "send", status=first.status, message=first.message)
    return Request(
        1, msgspec.structs.replace(whole, refused={0: refused}), answer, [*request.attempts, *alone.attempts]
    )
