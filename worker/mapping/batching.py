"""Operations into requests within the limits."""

from collections.abc import Sequence

from worker.mapping.operation import EVENT_END, REQUEST_LIMIT_BYTES, Operation

_OPEN, _CLOSE, _COMMA, _END = b'{"batch":[', b"]}", b",", EVENT_END + b","


def request_body(operations: Sequence[Operation]) -> bytes:
    """The body of one Track v2 batch request: the items' bytes joined, not encoded again."""
    pieces = [_OPEN]
    for operation in operations:
        if operation.attributes:
            pieces += operation.head, operation.attributes, _END
        else:
            pieces += operation.head, _COMMA
    if operations:
        pieces[-1] = pieces[-1][:-1]
    pieces.append(_CLOSE)
    return b"".join(pieces)


def request_size_bytes(operations: Sequence[Operation]) -> int:
    """The length of `request_body`, without making it."""
    commas = max(0, len(operations) - 1)
    items = sum([len(one.head) + (len(one.attributes) + 1 if one.attributes else 0) for one in operations])
    return len(_OPEN) + len(_CLOSE) + commas + items


# Of what is read at once: threads share the memory of one process, and each has what it read in hand.
_READ_BYTES = 2_000_000
# Read before anything is known of their size.
_FIRST = 100


class Fill:
    """How many events to read, and to try in the next request: learns how large they are, and how large they become.

    A request aims at 90 % of the limit, a read at 2 MB, each from a moving average of bytes an event; always at least
    1, at most `most`.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._bytes_per_event = 0.0
        self._bytes_per_entry = 0.0

    def entries(self) -> int:
        """The number of events to read next."""
        if self._bytes_per_entry <= 0:
            return min(self._most, _FIRST)
        return max(1, min(self._most, int(_READ_BYTES / self._bytes_per_entry)))

    def learn_entries(self, entries: int, size_bytes: int) -> None:
        """Take in how large so many events are as they were read."""
        if entries:
            seen = size_bytes / entries
            self._bytes_per_entry = seen if self._bytes_per_entry <= 0 else 0.7 * self._bytes_per_entry + 0.3 * seen

    def events(self) -> int:
        """The number of events to compose next."""
        if self._bytes_per_event <= 0:
            return self._most
        return max(1, min(self._most, int(0.9 * REQUEST_LIMIT_BYTES / self._bytes_per_event)))

    def learn(self, events: int, size_bytes: int) -> None:
        """Take in what `events` events became."""
        seen = size_bytes / events
        self._bytes_per_event = seen if self._bytes_per_event <= 0 else 0.7 * self._bytes_per_event + 0.3 * seen
