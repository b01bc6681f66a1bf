"""`python -m worker.alerts.post`: one message to one target, both read from standard input, by apprise.

A process of its own: apprise takes a second to load, and a target that hangs ends with its process. Exit code 0: sent;
1: refused; 3: the address is not understood; SIGALRM: too slow. It says nothing, since what apprise says may hold the
address.
"""

import signal
import sys

import apprise
import orjson


def main() -> int:
    """Send what standard input says."""
    asked = orjson.loads(sys.stdin.buffer.read())
    signal.setitimer(signal.ITIMER_REAL, asked["patience_s"])
    sender = apprise.Apprise()
    if not sender.add(asked["address"]):
        return 3
    for target in sender:  # by itself apprise gives up after 4 s, and says that it was refused
        target.socket_connect_timeout = max(target.socket_connect_timeout, asked["patience_s"])
        target.socket_read_timeout = max(target.socket_read_timeout, asked["patience_s"])
    sent = sender.notify(title=asked["title"], body=asked["body"], notify_type=apprise.NotifyType(asked["kind"]))
    return 0 if sent else 1


if __name__ == "__main__":
    sys.exit(main())
