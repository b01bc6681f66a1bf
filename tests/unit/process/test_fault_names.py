"""What the log calls a connection that failed."""

import ssl

import pytest
import redis

from tests.support.servers import free_port
from worker.process.fault_names import fault_name


def test_a_connection_that_failed_is_called_by_what_it_failed_at():
    """`ConnectionError` was all that was said of a certificate, a refusal and a name that nobody has."""
    with redis.Redis(port=free_port(), retry=None) as client, pytest.raises(redis.ConnectionError) as found:
        client.ping()
    assert fault_name(found.value) == "ConnectionRefusedError"
    with pytest.raises(redis.ConnectionError) as found:
        try:
            raise ssl.SSLCertVerificationError
        except OSError:
            raise redis.ConnectionError  # noqa: B904 - as the client does
    assert fault_name(found.value) == "SSLCertVerificationError"


def test_others_keep_their_name():
    """One that says it already, and one without anything behind it."""
    assert fault_name(redis.AuthenticationError()) == "AuthenticationError"
    assert fault_name(redis.ConnectionError()) == "ConnectionError"
