"""Signs of life of processes on this machine."""

import os
import subprocess
import sys

from worker.process.alive import folder, give_sign, signs, withdraw


def test_a_process_that_gave_a_sign_is_alive(tmp_path):
    """Until it ends on purpose; the sign ages."""
    assert signs(tmp_path, "worker") == []
    give_sign(tmp_path, "worker")
    [sign] = signs(tmp_path, "worker")
    assert (sign.pid, sign.ago_s < 5) == (os.getpid(), True)
    assert signs(tmp_path, "beat") == []
    [path] = folder(tmp_path).iterdir()
    os.utime(path, (1, 1))
    assert signs(tmp_path, "worker")[0].ago_s > 1000
    withdraw(tmp_path, "worker")
    assert signs(tmp_path, "worker") == []


def test_a_process_that_was_killed_is_not(tmp_path):
    """Its file is removed by who looks."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    give_sign(tmp_path, "worker")
    [path] = folder(tmp_path).iterdir()
    path.rename(path.with_name(path.name.replace(f"-{os.getpid()}", f"-{ended.pid}")))
    (folder(tmp_path) / f"worker@another-host-{ended.pid}").touch()
    assert signs(tmp_path, "worker") == []
    assert [path.name for path in folder(tmp_path).iterdir()] == [f"worker@another-host-{ended.pid}"]


def test_a_folder_that_cannot_be_written_ends_nobody(tmp_path):
    """It only says nothing."""
    (tmp_path / "alive").write_text("a file")
    give_sign(tmp_path, "worker")
    withdraw(tmp_path, "worker")
    assert signs(tmp_path, "worker") == []
