"""The processes of the Procfile, as `relay up` and the demo start them."""

import sys
from collections.abc import Mapping
from pathlib import Path

from worker.machine.supervisor import Program

# The Procfile's own lines: a test compares the two, since a wheel holds no Procfile.
# Beat keeps its clock in memory: sweep and trim may start over at any time, and a file of it would litter the folder.
# Gossip, mingle and heartbeat are talk among workers; nothing here listens, and mingle costs a second at each start.
PROCFILE = {
    "web": (
        "uvicorn --factory worker.ingest.app:create --http worker.ingest.protocol:Protocol"
        " --host ${RELAY_HOST:-0.0.0.0} --port ${PORT:-${RELAY_PORT:-8080}}"
        " --no-access-log --no-server-header --timeout-graceful-shutdown 10"
    ),
    "worker": (
        "celery --quiet --app worker.tasks worker --queues relay --loglevel ${RELAY_LOG_LEVEL:-INFO}"
        " --without-gossip --without-mingle --without-heartbeat"
    ),
    "beat": (
        "celery --quiet --app worker.tasks beat --loglevel ${RELAY_LOG_LEVEL:-INFO}"
        " --scheduler worker.process.scheduler:Beat"
    ),
    "console": (
        "uvicorn --factory worker.console.app:create --http worker.ingest.protocol:Protocol"
        " --host ${RELAY_CONSOLE_HOST:-127.0.0.1} --port ${RELAY_CONSOLE_PORT:-8081}"
        " --no-access-log --no-server-header --no-proxy-headers --timeout-graceful-shutdown 3"
    ),
}

# Web answers what it accepted within its own 10 s; a worker finishes or abandons the batch in hand, which may wait for
# one answer of Customer.io (10 s by default).
GRACE_S = {"web": 12.0, "worker": 20.0, "beat": 5.0, "console": 5.0}

# In the order of their start; they are stopped in the reverse one, so that what web accepted is answered first.
START = ("console", "worker", "beat", "web")


def program(name: str, env: Mapping[str, str], log: Path | None = None) -> Program:
    """The process of that name, run as a Procfile's runner would: by the shell, which fills in the variables."""
    # `python -m` instead of the command's name: it is found wherever the packages are, with or without a PATH
    argv = ("/bin/sh", "-c", f'exec "$0" -m {PROCFILE[name]}', sys.executable)
    return Program(name, argv, dict(env), GRACE_S[name], log=log)
