"""Instances come up, stay, go and leave nothing, whatever happened to them."""

from __future__ import annotations

import os
import re
import signal
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.pbx_tools import ari

from trunkline.local_pbx import instance, process
from trunkline.local_pbx.errors import LocalPbxError
from trunkline.local_pbx.reserve import Order
from trunkline.local_pbx.state import InstanceState, write_private

pytestmark = pytest.mark.asterisk


@pytest.fixture
def name() -> Iterator[str]:
    unique = f"test-{os.getpid()}-life"
    yield unique
    instance.remove_pair(unique)


def kill(state: InstanceState) -> None:
    os.kill(state.pid, signal.SIGKILL)
    deadline = time.monotonic() + 5
    while instance.is_running(state) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not instance.is_running(state)


def test_up_answers_is_safe_to_repeat_and_is_no_child_of_ours(name: str) -> None:
    """ARI works when `up` returns; a second `up` is the same instance."""
    state = instance.up(name)
    assert ari(state, "GET", "/asterisk/info?only=system")["system"]["version"].startswith("22.")
    assert instance.up(name).pid == state.pid
    status = Path(f"/proc/{state.pid}/status").read_text()
    assert f"PPid:\t{os.getpid()}" not in status


def test_asterisk_does_not_run_as_root(name: str) -> None:
    """Its user is one of its own, with no other group."""
    state = instance.up(name)
    status = Path(f"/proc/{state.pid}/status").read_text()
    uids = next(line for line in status.splitlines() if line.startswith("Uid:")).split()[1:]
    assert set(uids) == {str(state.user)}
    if os.geteuid() == 0:
        assert state.user != 0


def test_its_log_holds_no_error_and_no_warning(name: str) -> None:
    """Every module it loads finds what it needs, PBX and carrier alike."""
    pair = instance.up_pair(name)
    for state in (pair.pbx, pair.carrier):
        told = state.log_path.read_text()
        assert not [line for line in told.splitlines() if "ERROR" in line or "WARNING" in line]


def test_a_killed_instance_comes_back_with_the_same_ports_and_passwords(name: str) -> None:
    """kill -9, then `up`: whoever was connected can connect again."""
    before = instance.up(name)
    kill(before)
    after = instance.up(name)
    assert after.pid != before.pid
    assert replace(after, pid=0, started_ticks=0) == replace(before, pid=0, started_ticks=0)
    assert ari(after, "GET", "/channels") == []


def test_a_pid_that_belongs_to_somebody_else_now_is_left_alone(name: str) -> None:
    """The state names our own process id, as after a reboot: nothing of ours is ended, a new instance comes up."""
    before = instance.up(name)
    kill(before)
    write_private(instance.HOME / f"{name}.json", replace(before, pid=os.getpid()).to_json())
    assert not instance.is_running(replace(before, pid=os.getpid()))
    instance.down(name)
    assert instance.is_running(instance.up(name))


def test_an_instance_that_nobody_remembers_is_ended_before_the_next(name: str) -> None:
    """Its starter died before it wrote down the process: the folder's own pid file tells."""
    forgotten = instance.up(name)
    write_private(instance.HOME / f"{name}.json", replace(forgotten, pid=0, started_ticks=0).to_json())
    found = instance.up(name)
    assert not process.is_alive(
        forgotten.pid, forgotten.started_ticks, f"{forgotten.folder}/etc/asterisk.conf"
    )
    assert found.http_port == forgotten.http_port


def test_remove_leaves_nothing(name: str) -> None:
    """No process, no folder, no state, no open port."""
    pair = instance.up_pair(name)
    instance.remove_pair(name)
    for state in (pair.pbx, pair.carrier):
        assert not instance.is_running(state)
        assert not state.here.exists()
        assert instance.status(state.name) is None


def test_a_wanted_port_in_use_is_told(name: str, pbx_pair: instance.Pair) -> None:
    """And nothing is left of the attempt."""
    with pytest.raises(LocalPbxError, match="is in use"):
        instance.up(Order(name, http_port=pbx_pair.pbx.http_port))
    assert instance.status(name) is None


def test_secrets_are_readable_by_nobody_else(name: str) -> None:
    """State file, folder and configuration."""
    state = instance.up(name)
    assert (instance.HOME / f"{name}.json").stat().st_mode & 0o077 == 0
    assert state.here.stat().st_mode & 0o007 == 0
    assert (state.here / "etc/ari.conf").stat().st_mode & 0o007 == 0


def test_strangers_are_refused_and_written_to_the_security_log(name: str) -> None:
    """In the form that fail2ban's filter for Asterisk reads."""
    state = instance.up(name)
    invite = (
        f"INVITE sip:100@{state.host} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:9;rport;branch=z9hG4bKx\r\nMax-Forwards: 70\r\n"
        f"From: <sip:x@y>;tag=1\r\nTo: <sip:100@{state.host}>\r\nCall-ID: stranger\r\nCSeq: 1 INVITE\r\n"
        "Contact: <sip:x@127.0.0.1>\r\nContent-Length: 0\r\n\r\n"
    )
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.settimeout(3)
        stranger.sendto(invite.encode(), (state.host, state.sip_port))
        assert stranger.recv(2000).startswith(b"SIP/2.0 401")
    deadline = time.monotonic() + 5
    line = r'^\[[-0-9]{10} [:0-9]{8}\] SECURITY\[\d+\] res_security_log\.c: SecurityEvent="InvalidAccountID",.*RemoteAddress="IPV4/UDP/127\.0\.0\.1/\d+"$'
    while not re.search(line, told := (state.here / "log/security").read_text(), re.MULTILINE):
        assert time.monotonic() < deadline, told
        time.sleep(0.1)
