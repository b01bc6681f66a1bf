"""A RabbitMQ of the system's package, with a folder, ports and an epmd of its own."""

import os
import signal
import subprocess
from pathlib import Path

from kombu import Connection

from tests.support.servers import free_port, installed
from tests.support.waiting import until


class Rabbit:
    """One node; with the folder of an authority and its server's certificate it takes TLS besides."""

    def __init__(self, folder: Path, tls: Path | None = None) -> None:
        self.folder = folder
        self.port, self.tls_port = free_port(), free_port() if tls else 0
        self._epmd_port = str(free_port())
        self._tls = tls
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The address, without TLS."""
        return f"amqp://guest:guest@127.0.0.1:{self.port}//"

    def start(self) -> None:
        """Start the node and wait until it serves: some ten seconds."""
        program = installed("rabbitmq-server")
        inner = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")  # the one on the PATH changes the user
        self.folder.mkdir(parents=True, exist_ok=True)
        lines = [f"listeners.tcp.1 = 127.0.0.1:{self.port}", "loopback_users = none"]
        if self._tls:
            lines += [f"listeners.ssl.1 = 127.0.0.1:{self.tls_port}", "ssl_options.verify = verify_none"]
            lines += [f"ssl_options.{kind} = {self._tls / 'server.pem'}" for kind in ("certfile", "keyfile")]
            lines.append(f"ssl_options.cacertfile = {self._tls / 'ours.pem'}")
        (self.folder / "rabbitmq.conf").write_text("\n".join(lines) + "\n")
        (self.folder / "plugins").write_text("[].\n")
        env = {
            **os.environ,
            "HOME": str(self.folder),
            "ERL_EPMD_PORT": self._epmd_port,
            "RABBITMQ_NODENAME": f"relay{self.port}@localhost",
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "plugins"),
            "RABBITMQ_MNESIA_BASE": str(self.folder),
            "RABBITMQ_LOG_BASE": str(self.folder),
            "RABBITMQ_PID_FILE": str(self.folder / "pid"),
        }
        with (self.folder / "server.log").open("ab") as log:
            command = [str(inner) if inner.exists() else program]
            self._process = subprocess.Popen(command, env=env, stdout=log, stderr=log, start_new_session=True)
        until(self._answers, "RabbitMQ answers", within_s=90, every_s=0.3)

    def control(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command of `rabbitmqctl` at it."""
        inner = Path("/usr/lib/rabbitmq/bin/rabbitmqctl")
        program = [str(inner) if inner.exists() else installed("rabbitmqctl"), "--node", f"relay{self.port}@localhost"]
        env = {**os.environ, "HOME": str(self.folder), "ERL_EPMD_PORT": self._epmd_port}
        return subprocess.run([*program, *command], env=env, check=False, capture_output=True, text=True, timeout=60)

    def kill(self) -> None:
        """SIGKILL of the node, with what it started."""
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def stop(self) -> None:
        """Stop for good, and the port mapper that it has left behind."""
        self.kill()
        command = ["epmd", "-port", self._epmd_port, "-kill"]
        subprocess.run(command, check=False, capture_output=True, timeout=20)

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.folder / "server.log").read_text()[-2000:]
        try:
            with Connection(self.url, connect_timeout=2) as connection:
                connection.connect()
                return True
        except OSError:
            return False
