"""Images and compose, as far as a machine without an engine can tell."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from trunkline.local_pbx.install import PACKAGES, SUITE
from trunkline.local_pbx.reserve import USER
from trunkline.settings import Settings

ROOT = Path(__file__).parents[3]
DOCKERFILE = (ROOT / "docker/Dockerfile").read_text(encoding="utf-8")
STAGES = re.findall(r"^FROM \S+ AS (\S+)$", DOCKERFILE, re.MULTILINE)


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "docker/compose.yaml").read_text(encoding="utf-8"))["services"]


def test_everything_that_is_copied_exists() -> None:
    """A COPY of a file that is not there fails only in the build."""
    for sources in re.findall(r"^COPY (.*) \S+$", DOCKERFILE, re.MULTILINE):
        for source in sources.split():
            assert (ROOT / source).exists(), source


def test_every_service_is_built_from_a_stage_that_exists(services: dict[str, Any]) -> None:
    """Target and Dockerfile are right, seen from the compose file's folder."""
    for name, service in services.items():
        if "build" in service:
            build = service["build"]
            assert build["target"] in STAGES, name
            assert (
                ROOT / "docker" / build["context"] / build["dockerfile"]
            ).resolve() == ROOT / "docker/Dockerfile"
    built = {service["image"] for service in services.values() if "build" in service}
    assert {service["image"] for service in services.values()} == built


def test_no_secret_is_written_down(services: dict[str, Any]) -> None:
    """Passwords are made when an instance first runs."""
    for text in (DOCKERFILE, (ROOT / "docker/compose.yaml").read_text()):
        assert not re.search(r"(password|secret|api_key|token)\s*[=:]", text, re.IGNORECASE)


def test_the_service_reads_what_the_pbx_writes(services: dict[str, Any]) -> None:
    """The configuration file, its volume, and keys of the environment that the settings know."""
    environment = services["service"]["environment"]
    command = services["pbx"]["command"]
    assert command[command.index("--write-config") + 1] == environment["TRUNKLINE_CONFIG"]
    assert services["pbx"]["volumes"][0] in services["service"]["volumes"]
    for key in environment:
        if key != "TRUNKLINE_CONFIG":
            section, _, field = key.removeprefix("TRUNKLINE_").lower().partition("__")
            assert field in Settings.model_fields[section].annotation.model_fields, key


def test_ports_do_not_meet(services: dict[str, Any]) -> None:
    """All containers share the host's network."""
    ports = [word for service in services.values() for word in service.get("command", []) if word.isdigit()]
    assert len(ports) == len(set(ports)) == 5


def test_health_checks_ask_what_is_there(services: dict[str, Any]) -> None:
    """The PBX's own folder by its name, and the port that the service listens on by default."""
    name = services["pbx"]["command"][0]
    assert f"/var/lib/trunkline/pbx/{name}/etc/asterisk.conf" in services["pbx"]["healthcheck"]["test"]
    assert f"http://127.0.0.1:{Settings.model_fields['http'].default.port}/health" in DOCKERFILE


def test_the_image_takes_the_packages_of_the_install_code() -> None:
    """One list, one suite, one user; and the commands that the images call exist."""
    done = subprocess.run(
        [sys.executable, "-m", "trunkline.local_pbx", "packages"], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == list(PACKAGES)
    assert f"/{SUITE}/g" in DOCKERFILE
    assert f"n={SUITE}*" in DOCKERFILE
    assert f"useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin {USER}" in DOCKERFILE
    for command in ("run", "install"):
        subprocess.run(
            [sys.executable, "-m", "trunkline.local_pbx", command, "--help"], capture_output=True, check=True
        )


def test_every_instruction_of_the_dockerfile_is_one() -> None:
    """Continuation lines included: no typo reaches an engine."""
    logical = re.sub(r"\\\n", " ", DOCKERFILE)
    known = {"FROM", "ENV", "RUN", "WORKDIR", "COPY", "USER", "HEALTHCHECK", "ENTRYPOINT", "CMD", "VOLUME"}
    for line in logical.splitlines():
        if line.strip() and not line.startswith("#"):
            assert line.split()[0] in known, line
    for script in re.findall(r"^RUN (.*)$", logical, re.MULTILINE):
        subprocess.run(["sh", "-n", "-c", script], check=True)
