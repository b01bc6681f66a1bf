"""Processes that are killed, stopped, or fall silent: the next one goes on, and every end says how it came."""

import json
import os
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from tests.support.payloads import payload
from tests.support.stack import CONTROLLED, ROOT, procfile
from tests.support.waiting import until

LEASE_S = 2
# uvicorn ends in order, then passes the signal on to itself, as a shell expects
CLEAN_ENDS = {0, -signal.SIGTERM}


def send(stack, *names, person="ada"):
    events = [
        payload(name, user_id=person, event_created_at_ms=1_760_000_000_000 + place * 1000)
        for place, name in enumerate(names)
    ]
    assert stack.post(events).status_code == 200
    return [event["event_id"] for event in events]


def arrived(stack):
    return [event["attributes"]["event_id"] for event in stack.arrived()]


def leases(stack):
    return stack.parts.redis.keys("relay:{*}:lease:*")


def in_the_air(stack):
    """Wait until a request is applied and its answer held back."""
    until(stack.arrived, "a request is applied", every_s=0.01)


def test_after_a_kill_the_next_worker_goes_on_within_seconds(stack):
    """Kill -9 of a whole worker in the middle of a request: lease expiry, not Celery's redelivery, sets the pace."""
    stack.faults(arm={"slow": {"next": 1}}, slow_s=120)
    ids = send(stack, "ACTIVATE", "SUBSCRIPTION_STARTED", "SUBSCRIPTION_RENEWED")
    in_the_air(stack)
    stack.kill("worker")
    stack.start("worker")
    until(lambda: stack.account.delivered == 3, "all are delivered, before the answer comes")
    assert arrived(stack) == ids
    assert "shard_with_crashes integration=production" in stack.log("worker")


def test_a_child_that_is_killed_is_replaced(make_stack):
    """With processes for lanes the main one starts another and says so; the second child goes on meanwhile."""
    stack = make_stack(RELAY_POOL="prefork", RELAY_LOG_FORMAT="json").start()
    stack.faults(arm={"slow": {"next": 1}}, slow_s=60)
    ids = send(stack, "ACTIVATE", "SUBSCRIPTION_STARTED")
    in_the_air(stack)
    for child in psutil.Process(stack.processes["worker"].pid).children():
        child.kill()
    until(lambda: stack.account.delivered == 2, "all are delivered", within_s=LEASE_S + 15)
    assert arrived(stack) == ids
    assert stack.processes["worker"].poll() is None
    ends = dict.fromkeys(["worker-1", "worker-2"], "signal 9 (SIGKILL)")
    until(lambda: {one["child"]: one["how"] for one in logged(stack, "child_ended")} == ends, "it says of both")
    assert "WorkerLostError" in [one["fault"] for one in logged(stack, "task_failed")]


def test_the_children_of_a_killed_main_process_end_too(make_stack):
    """None goes on without its main process, and another worker can take over."""
    stack = make_stack(RELAY_POOL="prefork").start()
    main = psutil.Process(stack.processes["worker"].pid)
    children = until(lambda: len(found := main.children()) >= 2 and found, "both children are there")
    main.kill()
    stack.processes["worker"].wait()
    _, alive = psutil.wait_procs(children, timeout=10)
    assert alive == []


@pytest.mark.parametrize("pool", ["threads", "prefork"])
def test_an_event_that_kills_its_worker_is_buried(make_stack, pool):
    """It is found by shrinking batches; the neighbours, before and behind it, are delivered in order.

    Of a pool of processes the main one starts another; a process with threads is started again by its supervisor.
    """
    stack = make_stack(RELAY_LEASE_S="1", RELAY_SHARDS="1", RELAY_POOL=pool).start("simulator", "web", "beat")
    command = procfile()["worker"].replace("worker.tasks", "tests.acceptance.killing_app")
    worker = stack.spawn("worker", command)
    ids = send(stack, *["ACTIVATE"] * 30, "KILLER", *["ACTIVATE"] * 30)

    def done():
        nonlocal worker
        if worker.poll() is not None:
            worker = stack.spawn("worker", command)
        return stack.account.dead == 1 and stack.account.delivered == 60

    until(done, "one dead, sixty delivered", within_s=60)
    assert arrived(stack) == ids[:30] + ids[31:]
    (letter,) = json.loads(stack.relay("dead", "list", "--json").stdout)["items"]
    assert (letter["reason"], letter["event_id"]) == ("crashed_worker", ids[30])
    assert stack.findings == []


def test_neighbours_of_a_process_that_is_killed_are_not_taken_for_its_killer(make_stack):
    """Threads die together, again and again and at different points: the one event is buried, all others arrive."""
    stack = make_stack(RELAY_LEASE_S="1", RELAY_SHARDS="16", RELAY_POOL="threads").start("simulator", "web", "beat")
    stack.faults(arm={"slow": {"probability": 1}}, slow_s=0.1)
    people = [f"person-{number}" for number in range(40)]
    for person in people:
        send(stack, *["ACTIVATE"] * 8, person=person)
    (killer,) = send(stack, "KILLER", person="killer")
    ids = {one for person in ["killer", *people] for one in send(stack, *["SUBSCRIPTION_RENEWED"] * 8, person=person)}
    command = procfile()["worker"].replace("worker.tasks", "tests.acceptance.killing_app")
    worker = stack.spawn("worker", command)

    def done():
        nonlocal worker
        if worker.poll() is not None:
            worker = stack.spawn("worker", command)
        return stack.account.dead + stack.account.delivered == 2 * 8 * len(people) + 8 + 1

    until(done, "everything is settled", within_s=90)
    letters = json.loads(stack.relay("dead", "list", "--json").stdout)["items"]
    assert [(letter["reason"], letter["event_id"]) for letter in letters] == [("crashed_worker", killer)]
    assert ids <= set(arrived(stack))
    assert stack.findings == []


def test_a_thread_that_hangs_ends_its_worker(make_stack):
    """No one can end a thread: the process exits 75, its supervisor starts another, and the event is found."""
    stack = make_stack(RELAY_LEASE_S="1", RELAY_SHARDS="1", RELAY_WATCHDOG_S="0.2", RELAY_POOL="threads")
    stack.start("simulator", "web", "beat")
    command = procfile()["worker"].replace("worker.tasks", "tests.acceptance.hanging_app")
    ids, ends = send(stack, *["ACTIVATE"] * 8, "HANGER", *["ACTIVATE"] * 8), []
    worker = stack.spawn("worker", command)

    def done():
        nonlocal worker
        if worker.poll() is not None:
            ends.append(worker.returncode)
            worker = stack.spawn("worker", command)
        return stack.account.dead == 1 and stack.account.delivered == 16

    until(done, "one dead, sixteen delivered", within_s=90)
    assert ends
    assert set(ends) == {75}
    assert arrived(stack) == ids[:8] + ids[9:]
    (letter,) = json.loads(stack.relay("dead", "list", "--json").stdout)["items"]
    assert (letter["reason"], letter["event_id"]) == ("crashed_worker", ids[8])


@pytest.mark.parametrize("whole_group", [False, True])
def test_sigterm_finishes_the_batch_in_hand(stack, whole_group):
    """Asked to stop in the middle of a request: its answer is awaited and settled, the lease given back, exit 0."""
    stack.faults(arm={"slow": {"next": 1}}, slow_s=1.5)
    ids = send(stack, "ACTIVATE", "SUBSCRIPTION_STARTED")
    in_the_air(stack)
    pid = stack.processes["worker"].pid
    os.killpg(pid, signal.SIGTERM) if whole_group else os.kill(pid, signal.SIGTERM)
    assert stack.processes["worker"].wait(timeout=60) == 0
    assert (leases(stack), stack.account.delivered, arrived(stack)) == ([], 2, ids)
    assert not stack.parts.redis.keys("relay:{*}:flight:*")
    assert "worker_stopping how=warm" in stack.log("worker")
    assert stack.inspect("stats")["duplicates"] == 0


def test_sigterm_abandons_a_batch_that_is_retried(stack):
    """Asked to stop between two attempts: nothing is settled, the lease is given back, the next worker sends again."""
    stack.faults(arm={"status_503": {"probability": 1}}, retry_after="seconds", retry_after_s=30)
    ids = send(stack, "ACTIVATE", "SUBSCRIPTION_STARTED")
    until(lambda: stack.inspect("stats")["faults"], "a first attempt failed")
    assert stack.kill("worker", signal.SIGTERM) == 0
    assert (leases(stack), stack.account.waiting) == ([], 2)
    assert "batch_abandoned integration=production" in stack.log("worker")
    stack.faults()
    stack.start("worker")
    until(lambda: stack.account.delivered == 2, "all are delivered")
    assert arrived(stack) == ids


@pytest.mark.parametrize("process", ["web", "beat"])
def test_the_others_end_cleanly_too(stack, process):
    """SIGTERM to the web door or to beat: a clean end, and no event is lost."""
    ids = send(stack, "ACTIVATE")
    assert stack.kill(process, signal.SIGTERM) in CLEAN_ENDS
    assert "Traceback" not in stack.log(process)
    until(lambda: arrived(stack) == ids, "it arrives")


def test_the_web_door_answers_what_it_accepted(make_stack):
    """A request that is being stored when SIGTERM comes gets its 200."""
    stack = make_stack().start("simulator", "web")
    client = stack.parts.redis
    client.execute_command("CLIENT", "PAUSE", 1500, "WRITE")
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(send, stack, "ACTIVATE")
        until(lambda: client.info("clients")["blocked_clients"] == 1, "the request waits for Redis", every_s=0.01)
        assert stack.kill("web", signal.SIGTERM) in CLEAN_ENDS
        ids = answer.result()
    stack.start("worker", "beat")
    until(lambda: arrived(stack) == ids, "it arrives")


def test_a_worker_that_is_deaf_ends_for_its_supervisor(make_stack):
    """Known of Celery on Redis: it lives, and consumes no more. The watchdog sees messages wait, and exits 75."""
    stack = make_stack(RELAY_WATCHDOG_S="0.5").start("simulator", "web", "beat")
    stack.start_as("worker", "worker", app=CONTROLLED)
    send(stack, "ACTIVATE")
    until(lambda: len(stack.arrived()) == 1, "it works")
    command = ["celery", "--quiet", "--app", CONTROLLED, "control", "cancel_consumer", "relay"]
    subprocess.run(command, cwd=ROOT, env=stack.env, check=True, capture_output=True, timeout=60)
    assert stack.processes["worker"].wait(timeout=60) == 75
    assert "worker_unresponsive looks=4" in stack.log("worker")
    ids = send(stack, "SUBSCRIPTION_STARTED")
    stack.start("worker")
    until(lambda: ids[0] in arrived(stack), "the next one works")


def test_a_busy_worker_is_not_taken_for_deaf(make_stack):
    """One child, one long request, messages waiting: patience."""
    stack = make_stack(RELAY_WATCHDOG_S="0.2").start("simulator", "web", "beat")
    stack.start_as("worker", "worker", concurrency=1)
    stack.faults(arm={"slow": {"next": 1}}, slow_s=5)
    ids = [send(stack, "ACTIVATE", person=person)[0] for person in ("ada", "grace", "joan", "mary")]
    until(lambda: sorted(arrived(stack)) == sorted(ids), "all arrive")
    assert stack.processes["worker"].poll() is None


def test_a_frozen_worker_loses_its_lease_and_changes_nothing(stack):
    """SIGSTOP longer than the lease: another worker goes on; the frozen one wakes up and steps back."""
    stack.start_as("worker-2", "worker", concurrency=2)
    stack.faults(arm={"slow": {"next": 1}}, slow_s=1)
    ids = send(stack, "ACTIVATE", "SUBSCRIPTION_STARTED")
    in_the_air(stack)
    frozen = next(
        name for name in ("worker", "worker-2") if _is_connected(stack.processes[name].pid, stack.simulator_port)
    )
    os.killpg(stack.processes[frozen].pid, signal.SIGSTOP)
    until(lambda: stack.account.delivered == 2, "the other one delivers", within_s=LEASE_S + 10)
    more = send(stack, "SUBSCRIPTION_RENEWED")
    os.killpg(stack.processes[frozen].pid, signal.SIGCONT)
    until(lambda: "lease_lost integration=production" in stack.log(frozen), "it steps back")
    until(lambda: stack.account.delivered == 3, "the next event is delivered")
    assert arrived(stack) == ids + more
    assert stack.findings == []


def test_an_event_in_the_hands_of_frozen_workers_is_not_buried(make_stack):
    """Five workers in turn are frozen for longer than their leases: it waits until they go on, and is delivered."""
    stack = make_stack(RELAY_LEASE_S="1", RELAY_SHARDS="1").start("simulator", "web", "beat")
    freeze = stack.folder / "freeze"
    freeze.touch()
    ids = send(stack, "FREEZER", "ACTIVATE")
    command = procfile()["worker"].replace("worker.tasks", "tests.acceptance.freezing_app")
    frozen = [f"frozen-{n}" for n in range(5)]
    for name in frozen:
        process = psutil.Process(stack.spawn(name, command).pid)
        until(lambda: process.status() == psutil.STATUS_STOPPED, "it is frozen")  # noqa: B023 - awaited here
    stack.spawn("worker", command)
    until(lambda: "crashes_uncertain integration=production" in stack.log("worker"), "nothing is certain", 120)
    freeze.unlink()
    assert (stack.account.dead, stack.account.delivered) == (0, 0)
    for name in frozen:
        os.kill(stack.processes[name].pid, signal.SIGCONT)
    until(lambda: stack.account.delivered == 2, "both are delivered")
    assert (stack.account.dead, arrived(stack), stack.findings) == (0, ids, [])


def logged(stack, event):
    """What a worker that logs in JSON has said of an event, in whole lines."""
    whole, _, _ = stack.log("worker").rpartition("\n")
    return [line for text in whole.splitlines() if (line := json.loads(text))["event"] == event]


def _is_connected(pid, port):
    family = [psutil.Process(pid), *psutil.Process(pid).children()]
    return any(
        one.status == psutil.CONN_ESTABLISHED and one.raddr and one.raddr.port == port
        for process in family
        for one in process.net_connections()
    )
