"""Messages that a worker had in hand when its connection to the broker ended."""

import logging
import tempfile

import kombu

from worker.process.foreign import QUEUE, Channel, guard

OPTIONS = {"ack_emulation": False}  # as the relay's


def has_one_in_hand(connection):
    """A channel of this connection that has read a message, and not acknowledged it."""
    channel = connection.channel()
    assert isinstance(channel, Channel)
    kombu.Queue(QUEUE, kombu.Exchange(QUEUE), routing_key=QUEUE, channel=channel).declare()
    kombu.Producer(channel).publish({}, exchange=QUEUE, routing_key=QUEUE)
    assert channel.basic_get(QUEUE) is not None
    assert channel.basic_get(QUEUE) is None
    return channel


def test_what_cannot_be_put_back_is_left_to_the_sweep(own_redis, tmp_path, monkeypatch, caplog):
    """Each loss of the broker with a message in hand left a file in the temporary folder, and two errors in the log."""
    server = own_redis()
    guard()
    with kombu.Connection(server.url, transport_options=OPTIONS) as connection:
        channel = has_one_in_hand(connection)
        server.kill()
        (folder := tmp_path / "temporary").mkdir()
        monkeypatch.setattr(tempfile, "tempdir", str(folder))
        with caplog.at_level(logging.ERROR):
            channel.close()
    assert list(folder.iterdir()) == []
    assert caplog.records == []


def test_what_can_be_put_back_is(own_redis):
    """Another worker takes it at once."""
    server = own_redis()
    guard()
    with kombu.Connection(server.url, transport_options=OPTIONS) as connection:
        has_one_in_hand(connection).close()
    with kombu.Connection(server.url, transport_options=OPTIONS) as connection:
        assert connection.channel().basic_get(QUEUE) is not None
