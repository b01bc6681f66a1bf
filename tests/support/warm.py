"""The `relay` command without its start-up time: a process that has everything imported, and forks for each command.

A test of a page full of commands would otherwise spend its time on imports. A command still is a process of its own,
with its own arguments, folder, standard streams and exit code.

    python -m tests.support.warm SOCKET          serves
    python tests/support/warm.py SOCKET ARG...   runs `relay ARG...` there
"""

import json
import os
import socket
import sys
from pathlib import Path


def serve(path: str) -> None:
    """Fork a `relay` for whoever asks, one after the other."""
    import worker.app.process
    import worker.cli
    import worker.cli.dead.overview
    import worker.cli.dead.replay
    import worker.cli.status
    import worker.tasks

    worker.app.process._relays.clear()
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(path)
        door.listen()
        while True:
            caller, _ = door.accept()
            with caller:
                told, streams, _, _ = socket.recv_fds(caller, 65_536, 3)
                asked = json.loads(told)
                child = os.fork()
                if child == 0:
                    os._exit(_run(asked["arguments"], asked["folder"], streams))
                for stream in streams:
                    os.close(stream)
                code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
                caller.sendall(str(code).encode())


def _run(arguments: list[str], folder: str, streams: list[int]) -> int:
    from worker.cli import main

    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    os.chdir(folder)
    sys.argv = ["relay", *arguments]
    try:
        main()
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


def ask(path: str, arguments: list[str]) -> int:
    """Have a command run, on this process's own standard streams; its exit code."""
    with socket.socket(socket.AF_UNIX) as door:
        door.connect(path)
        told = json.dumps({"arguments": arguments, "folder": str(Path.cwd())}).encode()
        socket.send_fds(door, [told], [0, 1, 2])
        return int(door.recv(16) or b"70")


if __name__ == "__main__":
    if __spec__ is not None:
        serve(sys.argv[1])
    sys.exit(ask(sys.argv[1], sys.argv[2:]))
