"""Doctor looks into a real Asterisk, finds what is broken on purpose, and leaves nothing behind."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.pbx_tools import leftovers

from trunkline.cli.doctor.command import examine
from trunkline.cli.doctor.finding import Finding
from trunkline.local_pbx.instance import Pair
from trunkline.local_pbx.state import write_config

pytestmark = pytest.mark.asterisk


@pytest.fixture
def configured(pbx_pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pair:
    monkeypatch.chdir(tmp_path)
    write_config(pbx_pair.pbx, tmp_path / "trunkline.toml")
    monkeypatch.setenv("TRUNKLINE_CONFIG", str(tmp_path / "trunkline.toml"))
    monkeypatch.setenv("TRUNKLINE_HTTP__PORT", "0")
    return pbx_pair


async def findings() -> dict[str, Finding]:
    return {finding.check: finding for finding in await examine(skip_engines=True)}


async def test_a_pbx_of_ours_has_no_problem(configured: Pair) -> None:
    """Every door opens, a mark comes back through a real media leg, a recording is seen from both sides; nothing is left."""
    found = await findings()

    assert [finding for finding in found.values() if finding.verdict == "problem"] == []
    assert {"ARI", "AMI", "version", "modules", "codecs", "audio path", "PBX recordings"} <= found.keys()
    assert leftovers(configured.pbx) == []
    assert list((configured.pbx.spool_here / "trunkline").glob("doctor-*")) == []


async def test_a_wrong_password_is_told_for_the_door_it_belongs_to(
    configured: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ARI and AMI have passwords of their own; only the wrong one is a problem."""
    monkeypatch.setenv("TRUNKLINE_PBX__AMI_PASSWORD", "wrong")
    found = await findings()

    assert (found["ARI"].verdict, found["AMI"].verdict) == ("ok", "problem")
    assert "pbx.ami_password" in found["AMI"].advice


async def test_a_recordings_folder_that_is_another_one_is_a_problem(
    configured: Pair, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Asterisk writes where we do not look: found before the first transfer loses its recording."""
    monkeypatch.setenv("TRUNKLINE_PBX__RECORDINGS_HERE", str(tmp_path))
    found = await findings()

    assert (found["audio path"].verdict, found["PBX recordings"].verdict) == ("ok", "problem")
    for file in (configured.pbx.spool_here / "trunkline").glob("doctor-*"):
        file.unlink()
