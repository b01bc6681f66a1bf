"""Errors, by who must act on them.

RelayError
├── SenderError            the sender of a request must change it; carries the HTTP answer
├── NotStoredError         nobody yet: Redis cannot store just now, the sender will try again
├── LeaseLostError         nobody: another worker has taken the shard over, this one steps back
├── StoppedError           nobody: this process was asked to stop, what it holds is unsettled
├── UnknownStateError      an operator: what is stored of a person was written by a newer release, or is damaged
├── ArchiveError           an operator: the archive neither takes nor gives a file; to trim waits for it
└── OperatorError          an operator must change the set-up (settings, integrations file, server)
"""


class RelayError(Exception):
    """Anything the relay raises on purpose."""


class SenderError(RelayError):
    """A request that must be changed before it can be accepted.

    `status` is the HTTP status, `title` a short fixed text, the message says what to change. Never holds the
    request's content.
    """

    def __init__(self, status: int, title: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.title = title
        self.detail = detail


class NotStoredError(RelayError):
    """Redis could not store the events; `reason` is a fixed word for logs and metrics."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class LeaseLostError(RelayError):
    """The lease of this shard went to another holder; whatever was not settled is theirs."""


class StoppedError(RelayError):
    """This process was asked to stop while it was sending."""


class UnknownStateError(RelayError, ValueError):
    """What is stored of a person cannot be read by this release; the message says why, without the person."""


class ArchiveError(RelayError):
    """The archive does not take or give a file; says why, without an address or a key."""


class OperatorError(RelayError):
    """The set-up must be changed; each line of the message says where and how."""

    def __init__(self, *lines: str) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines
