"""Encoded events can be named again."""

from zlib import crc32

from hypothesis import given
from hypothesis import strategies as st

from worker.ingest.arguments import Incoming, encode_events, names
from worker.store.dedup import id_digest


@given(st.lists(st.tuples(st.text(max_size=5), st.text(max_size=5), st.binary(max_size=300)), max_size=20))
def test_the_names_of_encoded_events_are_those_that_were_encoded(events):
    """Whatever the bytes of an event are, the protocol's own line ends among them."""
    incoming = [Incoming("app", 0, key, about, raw) for key, about, raw in events]
    pieces = b"".join(encode_events(incoming).get(("app", 0), []))
    expected = [id_digest(key) + crc32(about.encode()).to_bytes(4) for key, about, _ in events]
    assert names(pieces, len(events)) == expected
