"""Ports, processes and states, without an Asterisk."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from trunkline.core.errors import InvalidField
from trunkline.local_pbx import carrier, instance, packages, ports, process
from trunkline.local_pbx.errors import LocalPbxError
from trunkline.local_pbx.install import Asterisk
from trunkline.local_pbx.lines import halved, make_hold_music
from trunkline.local_pbx.reserve import Order, for_an_asterisk_of_your_own, reserve
from trunkline.local_pbx.state import InstanceState, write_private

ASTERISK = Asterisk("", "/usr/sbin/asterisk", "/modules", "/data", "22.10.1")
HOST = "127.0.0.1"


def reserved(
    order: Order, *, before: InstanceState | None = None, others: tuple[InstanceState, ...] = ()
) -> InstanceState:
    return reserve(order, ASTERISK, Path("/home/x"), before=before, others=others)


def test_two_instances_share_no_port(tmp_path: Path) -> None:
    """Not even while neither of them runs."""
    one = reserved(Order("one"))
    two = reserved(Order("two"), others=(one,))
    mine = {one.sip_port, one.http_port, one.ami_port, two.sip_port, two.http_port, two.ami_port}
    assert len(mine) == 6
    assert one.rtp_end < two.rtp_start or two.rtp_end < one.rtp_start


def test_an_instance_keeps_its_ports_and_secrets() -> None:
    """A configuration written for it stays good."""
    one = reserved(Order("one"))
    again = reserved(Order("one"), before=one)
    assert (again.http_port, again.ari_password, again.rtp_start) == (
        one.http_port,
        one.ari_password,
        one.rtp_start,
    )


def test_a_kept_port_that_somebody_took_is_replaced() -> None:
    """Bringing up again works beside a stranger."""
    one = reserved(Order("one"))
    with socket.socket() as stranger:
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        stranger.bind((HOST, one.http_port))
        stranger.listen()
        assert reserved(Order("one"), before=one).http_port != one.http_port


def test_a_wanted_port_in_use_is_an_error_that_names_it() -> None:
    """Nothing is silently moved elsewhere."""
    with socket.socket() as stranger:
        stranger.bind((HOST, 0))
        stranger.listen()
        port = stranger.getsockname()[1]
        with pytest.raises(LocalPbxError, match=f"Port {port} for HTTP is in use"):
            reserved(Order("one", http_port=port))


def test_a_sip_port_must_be_free_for_udp_too() -> None:
    """UDP is what carriers use."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.bind((HOST, 0))
        port = stranger.getsockname()[1]
        assert ports.is_free(HOST, port)
        assert not ports.is_free(HOST, port, udp=True)


def test_rtp_ranges_run_out_with_a_sentence() -> None:
    """Twenty-one instances at once is the limit, told clearly."""
    taken: set[int] = set()
    with pytest.raises(OSError, match="take some instances down"):
        while True:
            taken.add(ports.rtp_start(taken))
    assert len(taken) == 21
    assert all(start % 2 == 0 and start + ports.RTP_PORTS_EACH <= 65536 for start in taken)


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """A process that is no Asterisk; its command line names a configuration file."""
    code = "import time; time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code, "/etc/asterisk.conf"]) as running:
        deadline = time.monotonic() + 5
        # Until it has become what it was started as, it looks like us.
        while not process.started_ticks(running.pid, "/etc/asterisk.conf") and time.monotonic() < deadline:
            time.sleep(0.01)
        yield running
        running.kill()


def test_a_process_is_known_by_its_configuration_and_start_time(sleeper) -> None:
    """A pid that now belongs to somebody else is not ours."""
    ticks = process.started_ticks(sleeper.pid, "/etc/asterisk.conf")
    assert ticks
    assert process.is_alive(sleeper.pid, ticks, "/etc/asterisk.conf")
    assert process.started_ticks(sleeper.pid, "/other/asterisk.conf") is None
    assert not process.is_alive(sleeper.pid, ticks + 1, "/etc/asterisk.conf")


def test_ending_leaves_a_stranger_with_the_same_pid_alone(sleeper) -> None:
    """A reused pid is not killed."""
    process.end(sleeper.pid, 1, "/etc/asterisk.conf")
    assert sleeper.poll() is None
    process.end(
        sleeper.pid, process.started_ticks(sleeper.pid, "/etc/asterisk.conf") or 0, "/etc/asterisk.conf"
    )
    assert sleeper.wait(timeout=5) == -15


def test_no_pid_file_is_no_process(tmp_path: Path) -> None:
    """Neither is one with nonsense in it."""
    assert process.read_pid(tmp_path / "none") == 0
    (tmp_path / "odd").write_text("abc")
    assert process.read_pid(tmp_path / "odd") == 0


def test_what_does_not_start_says_why(tmp_path: Path) -> None:
    """The program's own words are in the error."""
    command = ["sh", "-c", "echo no such module >&2"]
    with pytest.raises(LocalPbxError, match="no such module"):
        process.start(
            command, console=tmp_path / "console", pid_file=tmp_path / "pid", config="x", timeout_s=0.5
        )


def test_a_state_survives_its_file(tmp_path: Path) -> None:
    """What is written is read back whole, and the file is private."""
    state = replace(for_an_asterisk_of_your_own(tmp_path / "f", HOST), name="kept", pid=12)
    write_private(tmp_path / "kept.json", state.to_json())
    assert instance.status("kept", home=tmp_path) == state
    assert instance.instances(home=tmp_path) == [state]
    assert (tmp_path / "kept.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("text", ["", "{", "[]", '{"name": 1}', "null"])
def test_a_broken_state_file_is_no_instance(tmp_path: Path, text: str) -> None:
    """A half-written file of an older version does not stop anybody."""
    (tmp_path / "odd.json").write_text(text)
    assert instance.status("odd", home=tmp_path) is None


def test_down_and_remove_of_nothing_are_no_errors(tmp_path: Path) -> None:
    """Cleaning up twice is fine."""
    instance.down("nobody", home=tmp_path)
    instance.remove_pair("nobody", home=tmp_path)


@pytest.mark.parametrize("name", ["", "../x", "A", "a b", "-x", "x" * 60])
def test_a_name_that_can_leave_its_folder_is_refused(tmp_path: Path, name: str) -> None:
    """Names become folders."""
    with pytest.raises(LocalPbxError, match="can't be an instance's name"):
        instance.prepare(Order(name), ASTERISK, home=tmp_path)


def test_a_missing_package_needs_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error is the command to type."""
    monkeypatch.setattr(packages, "missing_packages", lambda _: ["flite"])
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(LocalPbxError, match="apt-get install flite"):
        packages.ensure_packages(["flite"])


def test_a_failing_command_tells_what_it_said() -> None:
    """The last lines are in the error."""
    with pytest.raises(LocalPbxError, match=r"(?s)It failed\. sh said:.*wrong way"):
        packages.run(["sh", "-c", "echo wrong way >&2; exit 3"], timeout_s=5, failing="It failed")
    with pytest.raises(LocalPbxError, match="is not on this machine"):
        packages.run(["no-such-program-here"], timeout_s=5, failing="It failed")
    with pytest.raises(LocalPbxError, match="took longer"):
        packages.run(["sleep", "5"], timeout_s=0.1, failing="It failed")


def test_halving_keeps_speech_and_drops_what_would_fold_back() -> None:
    """1 kHz passes, 6 kHz is gone."""
    t = np.arange(16000) / 16000
    low, high = (halved(np.sin(2 * np.pi * f * t))[100:-100] for f in (1000, 6000))
    assert np.abs(low).max() > 0.98
    assert np.abs(high).max() < 0.01


def test_hold_music_repeats_without_a_seam(tmp_path: Path) -> None:
    """Its end runs into its beginning."""
    import soundfile

    make_hold_music(tmp_path)
    samples, rate = soundfile.read(tmp_path / "hold-music.wav")
    assert (rate, samples.size) == (8000, 16 * 8000)
    assert 0.1 < np.abs(samples).max() <= 0.5
    assert abs(samples[-1] - samples[0]) < 0.05


def test_takes_are_in_the_order_of_the_calls(tmp_path: Path) -> None:
    """By time, then by sequence, not by the alphabet."""
    state = replace(for_an_asterisk_of_your_own(tmp_path, HOST), folder=str(tmp_path))
    folder = tmp_path / "spool/recordings"
    folder.mkdir(parents=True)
    for unique_id in ("a-b-99.10", "a-b-99.9", "a-b-100.1"):
        (folder / f"31201000001-{unique_id}-heard.wav").touch()
    assert [take.unique_id for take in carrier.takes(state, "+31201000001")] == [
        "a-b-99.9",
        "a-b-99.10",
        "a-b-100.1",
    ]
    assert carrier.takes(state, "+3120100000") == []


@pytest.mark.parametrize("number", ["5551234", "+31\r\nAction: Command", "500&PJSIP/x"])
def test_a_call_from_the_carrier_takes_only_numbers(tmp_path: Path, number: str) -> None:
    """Nothing can be smuggled into the manager's lines."""
    state = for_an_asterisk_of_your_own(tmp_path, HOST)
    with pytest.raises(InvalidField):
        carrier.place_call(state, caller="+31612345678", number=number, behaves_as="+31201000014")
