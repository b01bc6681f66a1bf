"""Snapshot of all that a release keeps in Redis, as a file that any server can be filled from.

`python -m tests.support.snapshot` plays a while of a relay and writes `tests/snapshots/schema-N.json` for the schema of
this release: once a schema, before its release. A file that is there is never written again.
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import redis

from tests.support.payloads import history, payload
from tests.support.servers import OwnRedis
from tests.support.stack import Stack
from tests.support.waiting import until
from worker.store.schema import VERSION

FOLDER = Path(__file__).parents[1] / "snapshots"
# They end by themselves, and a later process must not wait for one.
_PASSING = (":lease:", ":wake:", ":flight:", "relay:processes", "relay:pace", "relay:archive:lease", "relay:alerts")


def take(client: redis.Redis) -> dict[str, Any]:
    """Every key of the relay, by its name."""
    server: Any = client
    names = sorted(key.decode() for key in server.scan_iter(match="relay*"))
    return {name: _read(server, name) for name in names if not any(part in name for part in _PASSING)}


def put(client: redis.Redis, kept: dict[str, Any]) -> None:
    """Write what was taken into an empty server."""
    server: Any = client
    for name, (kind, value) in kept.items():
        match kind:
            case "string":
                server.set(name, _bytes(value))
            case "hash":
                server.hset(name, mapping={_bytes(field): _bytes(one) for field, one in value})
            case "zset":
                server.zadd(name, {_bytes(member): score for member, score in value})
            case "set":
                server.sadd(name, *map(_bytes, value))
            case "list":
                server.rpush(name, *map(_bytes, value))
            case "stream":
                _put_stream(server, name, value)


def _put_stream(server: Any, name: str, value: dict[str, Any]) -> None:
    for entry_id, fields in value["entries"]:
        server.execute_command("XADD", name, entry_id, *map(_bytes, fields))
    about = value["about"]
    ends = ("ENTRIESADDED", about["added"], "MAXDELETEDID", about["deleted"])
    if not value["entries"]:
        server.execute_command("XGROUP", "CREATE", name, "none", "$", "MKSTREAM")
        server.execute_command("XGROUP", "DESTROY", name, "none")
    server.execute_command("XSETID", name, about["last"], *ends)
    for group, cursor, read in value["groups"]:
        server.execute_command("XGROUP", "CREATE", name, group, cursor, "ENTRIESREAD", read)


def _read(server: Any, name: str) -> tuple[str, Any]:
    kind = server.type(name).decode()
    value: Any = None
    match kind:
        case "string":
            value = _text(server.get(name))
        case "hash":
            value = sorted((_text(field), _text(one)) for field, one in server.hgetall(name).items())
        case "zset":
            value = [(_text(member), score) for member, score in server.zrange(name, 0, -1, withscores=True)]
        case "set":
            value = sorted(map(_text, server.smembers(name)))
        case "list":
            value = list(map(_text, server.lrange(name, 0, -1)))
        case "stream":
            about = server.xinfo_stream(name)
            entries = server.xrange(name)
            value = {
                "entries": [
                    (key.decode(), [_text(x) for pair in fields.items() for x in pair]) for key, fields in entries
                ],
                "about": {
                    "last": about["last-generated-id"].decode(),
                    "added": about["entries-added"],
                    "deleted": about["max-deleted-entry-id"].decode(),
                },
                "groups": [
                    (one["name"].decode(), one["last-delivered-id"].decode(), one["entries-read"])
                    for one in server.xinfo_groups(name)
                ],
            }
    return kind, value


def _text(raw: bytes) -> str:
    """Bytes as JSON has them: each as the sign of its number."""
    return raw.decode("latin-1")


def _bytes(text: str) -> bytes:
    return text.encode("latin-1")


def play(stack: Stack) -> None:
    """Some of everything that is kept: delivered, filtered, dead, discarded, replayed, held and waiting events."""
    stack.start()
    people = {f"user-{number}": history("ended", user_id=f"user-{number}") for number in range(6)}
    for events in people.values():
        stack.post(events).raise_for_status()
    total = sum(map(len, people.values()))
    stack.post([{"event_id": "nameless-1", "user_id": "user-1"}, {"event_id": "nameless-2", "user_id": "user-2"}])
    until(lambda: stack.account.delivered == total and stack.account.dead == 2, "all is settled")
    for command in (
        ("dead", "discard", "--person", "user-1", "-m", "of nobody", "--yes"),
        ("replay", "--integration", "production", "--person", "user-3", "--only", "all", "--yes"),
        ("suppress", "add", "user-5"),
        ("hold", "production", "-m", "a pause"),
    ):
        done = stack.relay(*command)
        assert done.returncode == 0, (command, done.stderr)
    until(lambda: "running" not in stack.relay("jobs").stdout, "the replay has ended")
    stack.post([payload("ACTIVATE", event_id=f"waits-{number}", user_id=f"user-{number}") for number in range(6)])
    until(lambda: stack.account.waiting == 6, "some wait")


def main() -> int:
    """Write the file of this release's schema."""
    path = FOLDER / f"schema-{VERSION}.json"
    if path.exists():
        sys.stderr.write(f"{path} is there: what a release has stored does not change any more\n")
        return 1
    with tempfile.TemporaryDirectory() as folder:
        server = OwnRedis(Path(folder) / "redis", {})
        server.start()
        stack = Stack(Path(folder) / "stack", server.url)
        try:
            play(stack)
            with redis.Redis.from_url(server.url, protocol=2) as client:
                kept = take(client)
        finally:
            stack.stop()
            server.stop()
    lines = (f" {json.dumps(name)}: {json.dumps(value)}" for name, value in kept.items())
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
