"""docs/recovery.md on servers that take TLS alone, by an authority of one's own, through the command of a machine."""

import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.certificates import Authority
from tests.support.pages import ROOT, blocks, commands, run
from tests.support.servers import free_port, installed
from tests.support.stack import DEFAULT_INTEGRATION
from tests.support.waiting import until

PAGE = "docs/recovery.md"
PASSWORD = 'pa$$w"rd'

pytestmark = pytest.mark.skipif(
    not (shutil.which("redis-server") and shutil.which("redis-cli")), reason="the page is about Debian's Redis"
)


class Machine:
    """Two servers with TLS and a user each, and `relay` as deploy/systemd installs it, for whoever runs this."""

    def __init__(self, folder):
        self.folder = folder
        self.ours = Authority(folder, "ours")
        self.ours.context("localhost")
        self.running = []
        self.tools = folder / "bin"
        self.tools.mkdir()
        script = (ROOT / "deploy/systemd/relay").read_text()
        user = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
        script = script.replace("!= relay", f"!= {user}").replace("/etc/relay", str(folder))
        script = script.replace("/var/lib/relay", str(folder)).replace(
            "/opt/relay/bin", str(Path(sys.executable).parent)
        )
        command = self.tools / "relay"
        command.write_text(script)
        command.chmod(command.stat().st_mode | stat.S_IXUSR)

    def server(self, name, password):
        """Start one; its port and its URL."""
        port, home = free_port(), self.folder / name
        home.mkdir()
        conf = home / "redis.conf"
        conf.write_text(
            f"bind 127.0.0.1\nport 0\ntls-port {port}\ntls-cert-file {self.folder}/server.pem\n"
            f"tls-key-file {self.folder}/server.pem\ntls-ca-cert-file {self.ours.pem}\ntls-auth-clients no\n"
            f"dir {home}\nappendonly yes\nappendfsync always\nrepl-diskless-sync-delay 0\nuser default off\n"
            f"user admin on {json.dumps(f'>{password}')} ~* &* +@all\n"
        )
        with (home / "log").open("wb") as log:
            self.running.append(subprocess.Popen([installed("redis-server"), conf], stdout=log, stderr=log))
        until(lambda: b"Ready to accept" in (home / "log").read_bytes(), f"{name} listens")
        return port

    def type(self, typed, **variables):
        """What commands print, with the variables that the page names exported before."""
        env = {"PATH": f"{self.tools}:{os.environ['PATH']}", "HOME": str(self.folder), "NO_PROXY": "*", **variables}
        (before,) = blocks(PAGE, "sh")[:1]
        return run(typed, self.folder, env, before.replace("/etc/relay/redis-ca.crt", str(self.ours.pem)))

    def stop(self):
        """End every server."""
        for process in self.running:
            process.kill()
            process.wait()


@pytest.fixture
def machine(tmp_path):
    """A machine whose servers end with the test."""
    made = Machine(tmp_path)
    yield made
    made.stop()


def test_backup_and_move_of_a_server_with_tls(machine, tmp_path):
    """The file of the machine names the old server to the end; who exports the new one gets the new one."""
    old, new = machine.server("old", PASSWORD), machine.server("new", "new")
    escaped = PASSWORD.replace('"', "%22")
    urls = {
        "RELAY_REDIS_URL": f"rediss://admin:{escaped}@localhost:{old}/0",
        "NEW_REDIS_URL": f"rediss://admin:new@localhost:{new}/0",
    }
    (tmp_path / "integrations.toml").write_text(DEFAULT_INTEGRATION.replace("{simulator}", "http://127.0.0.1:1"))
    secrets = "".join(
        f"{name}='{PASSWORD}{name}-of-some-length'\n" for name in ("T_SECRET", "T_TOKEN", "T_SITE", "T_KEY")
    )
    (tmp_path / "relay.env").write_text(
        f"RELAY_REDIS_URL='{urls['RELAY_REDIS_URL']}'\nRELAY_REDIS_CA='{machine.ours.pem}'\n{secrets}"
    )
    machine.type(["relay config apply integrations.toml --yes", "relay suppress add silent"])
    machine.type(commands(PAGE, "Backup"), **urls)
    assert (tmp_path / "relay-backup" / "relay.rdb").read_bytes().startswith(b"REDIS")
    assert [
        one["person"] for one in json.loads((tmp_path / "relay-backup" / "suppressed.json").read_text())["items"]
    ] == ["silent"]

    typed = commands(PAGE, "Move to another server")
    old_one = {"OLD_HOST": "localhost", "OLD_PORT": str(old), "OLD_TLS": "yes"}
    first = next(at for at, line in enumerate(typed) if "OFFSET" in line)
    machine.type(typed[:first], **urls, **old_one, OLD_USER="admin", OLD_PASSWORD=PASSWORD)
    typed = [line for line in typed[first:] if line != "relay check"]  # no process runs, and Customer.io is not there
    parted = next(at for at, line in enumerate(typed) if "export" in line)
    machine.type(typed[:parted], **urls)
    machine.running[0].kill()
    machine.running[0].wait()
    assert "the books balance" in machine.type(typed[parted:], **urls)
    moved = {"RELAY_REDIS_URL": urls["NEW_REDIS_URL"]}
    assert "silent" in machine.type(["relay suppress list"], **moved)


def test_the_append_only_file_is_on_again(tmp_path):
    """What the page switches off in Debian's configuration for a restore is on after it."""
    conf = tmp_path / "redis.conf"
    conf.write_text("appendonly no\nport 0\nappendonly yes\n")
    lines = [line for block in blocks(PAGE, "sh") for line in block.splitlines() if " sed " in line]
    for expected, line in zip(("no", "yes"), lines, strict=True):
        here = line.replace("sudo ", "").replace("/etc/redis/redis.conf", str(conf))
        subprocess.run(["/bin/bash", "-c", here], check=True)
        assert conf.read_text().splitlines()[-1] == f"appendonly {expected}"
