"""A real S3 server over HTTP on loopback, with buckets."""

import uuid
from collections.abc import Iterator

import pytest
import requests


class Bucket:
    """One S3 server, and the environment that reaches it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.environment = {
            "AWS_ENDPOINT_URL": url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "us-east-1",
        }

    def make(self, *, create: bool = True) -> str:
        """The name of a new bucket, which is there unless `create` says otherwise."""
        name = f"relay-{uuid.uuid4().hex[:12]}"
        if create:
            self.create(name)
        return name

    def create(self, name: str) -> None:
        """Make a bucket of that name."""
        requests.put(f"{self.url}/{name}", timeout=10).raise_for_status()


@pytest.fixture(scope="session")
def bucket() -> Iterator[Bucket]:
    """An S3 server of its own port."""
    server = pytest.importorskip("moto.server").ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield Bucket(f"http://{host}:{port}")
    finally:
        server.stop()
