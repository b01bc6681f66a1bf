# `just` lists these; each is one command that can be typed without just.

set positional-arguments

bin := ".venv/bin"

_list:
    @just --list --unsorted

# Make .venv with the locked dependencies.
install:
    python3 -m venv .venv
    {{bin}}/pip install -q --disable-pip-version-check -r requirements-dev.lock
    {{bin}}/pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .

# Format, lint, spelling, types, import contracts: seconds.
check:
    {{bin}}/ruff format .
    {{bin}}/ruff check .
    {{bin}}/codespell
    {{bin}}/mypy
    {{bin}}/lint-imports

# Everything that must hold before a change lands: minutes.
test *arguments:
    {{bin}}/python -m tests "$@"

# The unit tests: no server, no process.
test-fast *arguments:
    {{bin}}/python -m pytest -q tests/unit "$@"

# Throughput and latency on this machine (docs/performance.md says how to read it).
bench *arguments:
    {{bin}}/python -m bench "$@"

# Rewrite what is made from the code: module list, pictures, configuration page.
docs:
    {{bin}}/python -m tests.support.rooms
    {{bin}}/python -m tests.support.configuration
    {{bin}}/python -m tests.support.demo_picture
    {{bin}}/python -m tests.support.events_page

# Write the expectations of new golden cases (tests/golden/README.md).
accept:
    {{bin}}/python -m tests --accept
