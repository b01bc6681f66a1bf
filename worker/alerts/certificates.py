"""Certificates that the relay depends on, and when they end: of Redis, the broker, their authority, the console."""

import ssl
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from config.settings import Settings
from worker.errors import OperatorError
from worker.store.broker import find_broker
from worker.store.connect import find_address

if TYPE_CHECKING:
    from cryptography import x509

_WAIT_S = 3.0


def read_certificates(chosen: Settings) -> dict[str, int]:
    """When each certificate ends (Unix ms); what cannot be read is left out, others say so."""
    found: dict[str, int] = {}
    if chosen.redis_ca is not None:
        for until_ms in _of_file(chosen.redis_ca):
            name = f"the authority in {chosen.redis_ca.name} (RELAY_REDIS_CA)"
            found[name] = min(until_ms, found.get(name, until_ms))
    for name, host, port in _servers(chosen):
        with suppress(OSError, ValueError):
            text = ssl.get_server_certificate((host, port), timeout=_WAIT_S)
            found[name] = min(_ends_ms(text.encode()))
    return found


def _servers(chosen: Settings) -> Iterator[tuple[str, str, int]]:
    with suppress(OperatorError):
        for name, address in (("Redis", find_address(chosen)), ("the broker", find_broker(chosen).address)):
            if address is not None and address.tls is not None and address.host:
                yield f"{name} at {address.host}:{address.port}", address.host, address.port
    console = urlsplit(chosen.console_url)
    if console.scheme == "https" and console.hostname:
        yield f"the console at {console.hostname}", console.hostname, console.port or 443


def _of_file(path: Path) -> Iterator[int]:
    with suppress(OSError, ValueError):
        yield from _ends_ms(path.read_bytes())


def _ends_ms(pem: bytes) -> list[int]:
    from cryptography import x509  # noqa: PLC0415 - 9 MB of each worker, where there may be nothing to look at

    return [_until_ms(certificate) for certificate in x509.load_pem_x509_certificates(pem)]


def _until_ms(certificate: "x509.Certificate") -> int:
    return int(certificate.not_valid_after_utc.timestamp() * 1000)
