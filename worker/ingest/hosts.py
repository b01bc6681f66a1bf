"""The `Host` of a request: one, as RFC 9112 (section 3.2) has it, so that nobody in front takes it for another's."""

from collections.abc import Iterable


class HostError(Exception):
    """A request has two `Host` headers, or in HTTP/1.1 none: raised for the parser to stop at."""


def check_host(headers: Iterable[tuple[bytes, bytes]], version: str) -> None:
    """Refuse a head that does not say where it was sent to, or says it twice.

    Raises:
        HostError: it is answered with 400.

    >>> check_host([(b"host", b"relay")], "1.1"), check_host([], "1.0")
    (None, None)
    """
    hosts = sum(name == b"host" for name, _ in headers)
    if hosts > 1 or (not hosts and version == "1.1"):
        raise HostError


def why(fault: BaseException | None) -> str:
    """What to say of a request that the parser stopped at; empty: it is no HTTP."""
    is_host = fault is not None and isinstance(fault.__context__, HostError)
    return "a request has one Host header; send it once" if is_host else ""
