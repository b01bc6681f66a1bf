"""The deployment examples: valid, and about this release's processes, settings and grace periods."""

import configparser
import getpass
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from config.integrations import parse
from config.settings import Settings
from tests.support.pages import blocks
from worker.cli import _COMMANDS
from worker.machine.processes import GRACE_S, PROCFILE

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
BIN = Path(sys.executable).parent
MANIFESTS = sorted(path for path in (DEPLOY / "kubernetes").glob("*.yaml") if path.name != "worker-scaling.yaml")
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
TEMPLATES = [path for path in UNITS if path.stem.endswith("@")]
VARIABLES = {f"RELAY_{name.upper()}" for name in Settings.model_fields}


def documents(path: Path) -> list[dict]:
    """The documents of a YAML file."""
    return list(yaml.safe_load_all(path.read_text()))


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_the_manifests_are_valid(path):
    """Against the schemas of Kubernetes, strictly."""
    subprocess.run([BIN / "kubernetes-validate", "--strict", path], check=True, capture_output=True, timeout=60)


def test_a_service_of_the_relay_sets_no_variable_of_a_pod():
    """Each pod gets NAME_PORT=tcp://… of each Service: as RELAY_PORT it kept every process from starting."""
    parts = [part for path in MANIFESTS for part in documents(path)]
    given = {
        f"{part['metadata']['name'].upper().replace('-', '_')}_PORT" for part in parts if part["kind"] == "Service"
    }
    assert given & VARIABLES
    pods = [part["spec"]["template"]["spec"] for part in parts if part["kind"] == "Deployment"]
    assert [pod["enableServiceLinks"] for pod in pods] == [False] * 4


@pytest.mark.skipif(not (BIN / "hadolint").exists(), reason="hadolint has no wheel for this machine")
def test_the_dockerfile_has_no_finding():
    """Hadolint's."""
    ran = subprocess.run(
        [BIN / "hadolint", DEPLOY / "Dockerfile"], capture_output=True, text=True, timeout=60, check=False
    )
    assert (ran.returncode, ran.stdout) == (0, "")


def test_the_image_copies_what_the_wheel_is_built_from():
    """Nothing that the build needs is left out by the ignore file."""
    copied = set(re.findall(r"^COPY (?!--from)(.+) \./?\S*$", (DEPLOY / "Dockerfile").read_text(), flags=re.MULTILINE))
    names = {name for line in copied for name in line.split()}
    kept = {line[1:] for line in (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines() if line.startswith("!")}
    assert names == kept
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert {*project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"], project["project"]["readme"]} <= names


@pytest.mark.parametrize("path", [path for path in UNITS if path not in TEMPLATES], ids=lambda path: path.stem)
def test_the_units_run_the_procfiles_processes(path):
    """With time to stop in, and without a restart when a setting is wrong."""
    name = path.stem.removeprefix("relay-")
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read(path)
    service = unit["Service"]
    assert service["ExecStart"] == f"/opt/relay/bin/relay {name}"
    assert name in PROCFILE
    assert name in _COMMANDS
    assert service["RestartPreventExitStatus"] == "2"
    assert float(service["TimeoutStopSec"]) > GRACE_S[name]


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_a_template_is_its_unit_but_for_what_its_instance_is_called(path):
    """What is set for the one process holds for the further ones."""
    plain = path.with_name(path.name.replace("@", "")).read_text().splitlines()
    added = [line for line in path.read_text().splitlines() if line not in plain]
    assert [line.partition("=")[0] for line in added if not line.startswith("#")] == ["Description", "ExecStart"]
    (start,) = [line for line in plain if line.startswith("ExecStart=")]
    assert added[-1].endswith(start.removeprefix("ExecStart="))


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")
@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_systemd_knows_every_key_of_the_units(path, tmp_path):
    """As `systemd-analyze verify` reads them, with a command that is there."""
    copy = tmp_path / path.name
    copy.write_text(path.read_text().replace("/opt/relay/bin/relay", str(BIN / "relay")))
    ran = subprocess.run(["systemd-analyze", "verify", copy], capture_output=True, text=True, timeout=60, check=False)
    assert "Unknown" not in ran.stderr
    assert "Failed to parse" not in ran.stderr


@pytest.mark.parametrize("name", sorted(PROCFILE))
def test_containers_of_compose_have_longer_to_stop_than_the_process_takes(name):
    """What compose kills before its time loses nothing, but is slower to be taken over."""
    service = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"][name]
    assert float(service.get("stop_grace_period", "10s").removesuffix("s")) > GRACE_S[name]


@pytest.mark.parametrize("name", sorted(PROCFILE))
def test_pods_have_longer_to_stop_than_the_process_takes(name):
    """The grace period covers the process's own, and what it waits before."""
    (deployment,) = [one for one in documents(DEPLOY / "kubernetes" / f"{name}.yaml") if one["kind"] == "Deployment"]
    pod = deployment["spec"]["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] > GRACE_S[name] + 5
    assert pod["containers"][0]["args"] == [name]


def test_every_variable_in_the_examples_is_a_setting():
    """A misspelt one would be ignored."""
    text = "".join(path.read_text() for path in DEPLOY.rglob("*") if path.is_file() and path.suffix != ".md")
    named = set(re.findall(r"\bRELAY_[A-Z_]+\b", text))
    assert named <= VARIABLES


def test_the_examples_run_the_projects_version():
    """It is written in pyproject.toml; the manifests repeat it, since a tag is all they can name."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    tags = re.findall(r"image: relay:(\S+)", "".join(path.read_text() for path in MANIFESTS))
    assert set(tags) == {version}


SECRETS = ("PURCHASELY_WEBHOOK_SECRET", "UPSTREAM_TOKEN", "CUSTOMERIO_SITE_ID", "CUSTOMERIO_API_KEY")


def test_the_configuration_of_the_manifests_is_valid():
    """Without an error or a warning."""
    text = documents(DEPLOY / "kubernetes" / "config.yaml")[0]["data"]["integrations.toml"]
    assert parse(text, "config.yaml", dict.fromkeys(SECRETS, "x" * 24)).warnings == ()


def test_the_configuration_of_compose_is_valid():
    """Its one warning is that the simulator is spoken to without TLS."""
    text = (DEPLOY / "compose-integrations.toml").read_text()
    (warning,) = parse(text, "compose", dict.fromkeys(SECRETS, "x" * 24)).warnings
    assert "base_url" in warning


def test_compose_runs_every_process():
    """Each as a command of `relay`."""
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    ours = [one["command"][0] for name, one in services.items() if name not in {"valkey", "prometheus", "grafana"}]
    assert {*ours} == {*PROCFILE, "simulate"}
    assert {*ours} <= set(_COMMANDS)


@pytest.mark.parametrize("page", ["deploy/systemd/relay.env", "docs/operations.md"])
def test_a_shell_reads_the_environment_as_systemd_does(page, tmp_path):
    """Within single quotes both take every character as it is (systemd.exec(5), EnvironmentFile), `$` and `"` too."""
    text = (ROOT / page).read_text() if page.endswith(".env") else "".join(blocks(page, "ini"))
    pairs = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert pairs
    assert all(re.fullmatch(r"[A-Z_]+='[^']*'", line) for line in pairs)
    secret = r'pa$$w"rd\n$(id)`id`'
    file = tmp_path / "relay.env"
    file.write_text("".join(line.partition("=")[0] + f"='{secret}'\n" for line in pairs))
    read = ["/bin/bash", "-c", f'set -a; . {file}; printf %s "$RELAY_REDIS_URL"']
    assert subprocess.run(read, capture_output=True, text=True, check=True).stdout == secret


def test_the_command_of_a_machine_takes_what_was_exported(tmp_path):
    """A RELAY_ variable of who types comes before the file's, whatever it holds; others come from the file."""
    script = (DEPLOY / "systemd/relay").read_text().replace("/etc/relay", str(tmp_path))
    script = script.replace("/opt/relay", str(tmp_path)).replace("!= relay", f"!= {getpass.getuser()}")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/relay").symlink_to("/usr/bin/env")
    (tmp_path / "relay.env").write_text("RELAY_REDIS_URL='old'\nRELAY_SHARDS='4'\nSECRET='of-the-file'\n")
    odd = "new 'one' $HOME\n\"two\" `id` \\"
    given = {"RELAY_REDIS_URL": odd, "SECRET": "of-the-caller", "PATH": os.environ["PATH"]}
    ran = subprocess.run(
        ["/bin/bash", "-c", script, "relay", "-0"], env=given, capture_output=True, text=True, check=True
    )
    found = dict(pair.split("=", 1) for pair in ran.stdout.split("\0") if pair)
    assert (found["RELAY_REDIS_URL"], found["RELAY_SHARDS"], found["SECRET"]) == (odd, "4", "of-the-file")
    ran = subprocess.run(
        ["/bin/bash", "-c", script, "relay"], env={"PATH": given["PATH"]}, capture_output=True, text=True, check=True
    )
    assert "RELAY_REDIS_URL=old\n" in ran.stdout
