"""The rendered configuration: complete, private, with no default secret."""

from __future__ import annotations

import re
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from trunkline.local_pbx.errors import LocalPbxError
from trunkline.local_pbx.files import files
from trunkline.local_pbx.install import Asterisk
from trunkline.local_pbx.render import export, fill, render, values
from trunkline.local_pbx.reserve import for_an_asterisk_of_your_own
from trunkline.local_pbx.state import InstanceState, Role, settings_for, write_config
from trunkline.settings import PbxSection, load_settings

TEMPLATES = sorted(files("sip_configs").rglob("*.conf"))


@pytest.fixture
def asterisk(tmp_path: Path) -> Asterisk:
    """A root folder that has every module we ask for."""
    modules = tmp_path / "root/modules"
    modules.mkdir(parents=True)
    for template in TEMPLATES:
        for name in re.findall(r"^load = (\S+)$", template.read_text(encoding="utf-8"), re.MULTILINE):
            (modules / name).touch()
    return Asterisk(str(tmp_path / "root"), "/usr/sbin/asterisk", "/modules", "/data", "22.10.1")


def state_of(asterisk: Asterisk, role: Role = "pbx") -> InstanceState:
    fresh = for_an_asterisk_of_your_own(Path("/home/unit"), "127.0.0.1")
    return replace(fresh, role=role, root=asterisk.root)


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: str(path.relative_to(files("sip_configs"))))
def test_every_template_can_be_filled(template: Path, asterisk: Asterisk) -> None:
    """No placeholder is unknown and none is left."""
    filled = fill(
        template.read_text(encoding="utf-8"), values(state_of(asterisk), asterisk, None), template.name
    )
    assert "${" not in filled


def test_an_unknown_placeholder_is_an_error_that_names_the_file() -> None:
    """A typo does not reach Asterisk."""
    with pytest.raises(LocalPbxError, match=r"pjsip\.conf.*NOBODY"):
        fill("bind = ${NOBODY}", {}, "pjsip")


def test_no_template_holds_a_secret() -> None:
    """Passwords are placeholders everywhere."""
    for template in TEMPLATES:
        for value in re.findall(
            r"^(?:password|secret) *= *(.*)$", template.read_text(encoding="utf-8"), re.MULTILINE
        ):
            assert value.startswith("${"), template


def test_secrets_differ_from_instance_to_instance(asterisk: Asterisk) -> None:
    """Nothing is shared between two of them."""
    one, other = state_of(asterisk), state_of(asterisk)
    assert len({one.ari_password, one.ami_secret, other.ari_password, other.ami_secret}) == 4
    assert len(one.ari_password) >= 32


def test_the_repr_of_a_state_tells_no_secret(asterisk: Asterisk) -> None:
    """It may be logged."""
    state = state_of(asterisk)
    assert state.ari_password not in repr(state)
    assert state.ami_secret not in repr(state)


def test_the_pbx_gets_all_its_files_readable_by_its_group_at_most(asterisk: Asterisk) -> None:
    """Configuration, dialplan, and the AGI script with pyst2 beside it."""
    state = state_of(asterisk)
    render(state, asterisk)
    etc = state.here / "etc"
    assert {"ari.conf", "http.conf", "manager.conf", "sorcery.conf", "extensions.conf"} <= {
        path.name for path in etc.iterdir()
    }
    assert (etc / "dialplan/trunkline.conf").exists()
    assert (state.here / "agi/asterisk/agi.py").exists()
    assert (state.here / "agi/six.py").exists()
    for name in ("ari.conf", "manager.conf", "pjsip.conf"):
        assert stat.S_IMODE((etc / name).stat().st_mode) == 0o640


def test_the_carrier_has_no_http_no_ari_and_no_trunk_of_ours(asterisk: Asterisk) -> None:
    """It is a carrier, not a second platform."""
    state = state_of(asterisk, "carrier")
    peer = replace(state, role="pbx", sip_port=15999)
    render(state, asterisk, peer)
    etc = state.here / "etc"
    assert not (etc / "ari.conf").exists()
    modules = (etc / "modules.conf").read_text()
    assert "res_ari" not in modules
    assert "chan_websocket" not in modules
    assert "app_page.so" in modules
    assert "contact = sip:127.0.0.1:15999" in (etc / "pjsip.conf").read_text()


def test_a_module_that_this_asterisk_lacks_is_not_loaded(asterisk: Asterisk) -> None:
    """Another build of Asterisk starts without errors."""
    Path(f"{asterisk.root}/modules/codec_opus_open_source.so").unlink()
    state = state_of(asterisk)
    render(state, asterisk)
    assert "opus_open_source" not in (state.here / "etc/modules.conf").read_text()


def test_ami_is_granted_the_one_class_that_it_needs(asterisk: Asterisk) -> None:
    """No originate, no command, no config for the service's user."""
    state = state_of(asterisk)
    render(state, asterisk)
    manager = (state.here / "etc/manager.conf").read_text()
    assert re.findall(r"^(?:read|write) = (.*)$", manager, re.MULTILINE) == ["system", "system"]


def test_keepalive_of_audio_is_below_the_rtcp_interval(asterisk: Asterisk) -> None:
    """Otherwise Asterisk sends the first keep-alive only."""
    state = state_of(asterisk)
    render(state, asterisk)
    interval = re.search(r"^rtcpinterval = (\d+)$", (state.here / "etc/rtp.conf").read_text(), re.MULTILINE)
    assert interval
    assert int(interval[1]) > 2000


def test_control_is_closed_to_other_machines(asterisk: Asterisk) -> None:
    """ARI, AMI and the calls' audio listen on loopback and refuse the rest."""
    state = state_of(asterisk)
    render(state, asterisk)
    for name in ("http", "manager", "ari"):
        text = (state.here / f"etc/{name}.conf").read_text()
        assert "permit = 127.0.0.0/8" in text
        assert "deny = 0.0.0.0/0" in text
    assert "[/media]" in (state.here / "etc/http.conf").read_text()


def test_exported_files_never_overwrite(tmp_path: Path) -> None:
    """The secrets there may be in use."""
    folder = tmp_path / "trunkline"
    state = for_an_asterisk_of_your_own(folder, "127.0.0.1")
    export(folder, state)
    assert not (folder / "dialplan/carrier").exists()
    assert state.ari_password in (folder / "ari.conf").read_text()
    with pytest.raises(LocalPbxError, match="there already"):
        export(folder, state)


def test_the_service_connects_with_what_is_written_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The TOML file is private and passes the settings' own checks."""
    state = for_an_asterisk_of_your_own(Path("/var/lib/x"), "127.0.0.1")
    PbxSection(**settings_for(state))
    path = tmp_path / "trunkline.toml"
    write_config(state, path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    monkeypatch.setenv("TRUNKLINE_CONFIG", str(path))
    assert load_settings().pbx.ari_password.get_secret_value() == state.ari_password


def test_every_stasis_has_a_fallback_behind_it() -> None:
    """What follows each Stasis() goes to the fallback, never to the end of the dialplan."""
    lines = (files("dialplan") / "trunkline.conf").read_text().splitlines()
    code = [line for line in lines if line.strip() and not line.startswith(";")]
    after = [code[i + 1] for i, line in enumerate(code) if "Stasis(" in line]
    assert len(after) == 3
    assert all("Goto(trunkline-fallback,s,1)" in line for line in after)
