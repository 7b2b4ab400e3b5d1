"""The pure decisions of the calls room: policy, lines, verdicts, quality, repairs, formats."""

from datetime import UTC, datetime, timedelta

import pytest

from trunkline.audio.formats import ALAW_8K, SLIN_16K, ULAW_8K
from trunkline.calls.dial_policy import DialPolicy, check_destination
from trunkline.calls.ending import Wanted, conclude
from trunkline.calls.limits import Lines
from trunkline.calls.order import leg_audio
from trunkline.calls.quality import as_media, mean_opinion_score
from trunkline.calls.reconcile import Possessions, plan
from trunkline.core.errors import InvalidField, LimitReached
from trunkline.core.ids import BridgeId, CallId, LegId, OrganizationId, TrunkId
from trunkline.core.numbers import parse_transfer_target
from trunkline.pbx.hangup import Hangup
from trunkline.pbx.port import LegOnPbx, LegQuality, Snapshot
from trunkline.settings import Calls
from trunkline.store.rows import CallRow

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
POLICY = DialPolicy(Calls().allowed_prefixes, Calls().blocked_prefixes, ("pbx.example",))


@pytest.mark.parametrize(
    "target",
    ["+31201234567", "+14155550123", "sip:200@pbx.example", "sip:200@PBX.example:5060;transport=udp"],
)
def test_ordinary_numbers_and_named_hosts_are_open(target: str):
    """What the operator allowed may be dialled."""
    check_destination(parse_transfer_target(target), POLICY)


@pytest.mark.parametrize(
    "target",
    [
        "+881612345678",
        "+882123456789",
        "+19005550123",
        "+31906123456",
        "+449012345678",
        "+31112",
        "+1911",
        "sip:1@evil.example",
        "sip:1@pbx.example.evil.example",
    ],
)
def test_premium_satellite_emergency_and_foreign_hosts_are_closed(target: str):
    """Closed by default, whatever the caller or the model says; the error names the field."""
    with pytest.raises(InvalidField) as refused:
        check_destination(parse_transfer_target(target), POLICY)

    assert (refused.value.param, refused.value.code) == ("destination", "destination_not_allowed")


def test_a_country_that_is_not_allowed_is_closed():
    """Allowed prefixes are a list, not a hint."""
    with pytest.raises(InvalidField):
        check_destination(parse_transfer_target("+14155550123"), DialPolicy(("+31",)))


def test_lines_are_never_over_the_limit_and_come_back_once():
    """A slot that is released twice is one line."""
    lines = Lines(2)
    first, _second = lines.reserve(TrunkId("a"), None), lines.reserve(TrunkId("b"), None)
    with pytest.raises(LimitReached, match="All 2 lines"):
        lines.reserve(TrunkId("a"), None)
    first.release()
    first.release()

    assert (lines.in_use, lines.in_use_on(TrunkId("a"))) == (1, 0)
    with pytest.raises(LimitReached, match="this trunk"):
        lines.reserve(TrunkId("b"), 1)


@pytest.mark.parametrize(
    ("hangup", "answered", "handed_over", "wanted", "expected"),
    [
        (Hangup(16, None, "normal_clearing"), True, False, None, ("ended", "user_hangup")),
        (Hangup(16, None, "normal_clearing"), True, True, None, ("ended", "transferred")),
        (Hangup(16, None, "normal_clearing"), True, False, Wanted("api_end_call"), ("ended", "api_end_call")),
        (Hangup(16, None, "normal_clearing"), True, False, Wanted("error", "x"), ("failed", "error")),
        (Hangup(0, None, "pbx_lost"), True, False, None, ("failed", "pbx_lost")),
        (Hangup(17, 486, "user_busy"), False, False, None, ("failed", "busy")),
        (Hangup(19, None, "no_answer"), False, False, None, ("failed", "no_answer")),
        (
            Hangup(16, None, "normal_clearing"),
            False,
            False,
            Wanted("api_end_call"),
            ("ended", "api_end_call"),
        ),
    ],
)
def test_the_verdict_follows_the_first_rule_that_fits(hangup, answered, handed_over, wanted, expected):
    """One end, one reason."""
    verdict = conclude(hangup, answered=answered, handed_over=handed_over, wanted=wanted)

    assert expected == (verdict.status, verdict.end_reason)


def test_the_media_format_follows_the_trunks_first_codec():
    """G.711 stays as it is; 16 kHz only where the leg carries it and the operator wants it."""
    formats = [leg_audio([codec], wideband=True) for codec in ("ulaw", "alaw", "g722", "gsm")]

    assert formats == [ULAW_8K, ALAW_8K, SLIN_16K, ULAW_8K]
    assert leg_audio(["g722", "ulaw"], wideband=False) == ULAW_8K


def test_mos_is_highest_without_loss_and_falls_with_loss_and_delay():
    """The published table of the E-model: 4.38 at 50 ms, 4.30 with 1 % loss, 3.71 at 300 ms."""
    assert mean_opinion_score(0, 50) == pytest.approx(4.38, abs=0.02)
    assert mean_opinion_score(1, 50) == pytest.approx(4.30, abs=0.02)
    assert mean_opinion_score(0, 300) == pytest.approx(3.71, abs=0.03)


def test_media_of_a_call_without_figures_has_nulls_not_guesses():
    """Unknown stays unknown."""
    assert as_media(None, "ulaw")["mos"] is None
    assert as_media(LegQuality(codec="ulaw", rx_packets=99, rx_lost=1), "ulaw")["loss_percent"] == 1.0


def _row(call_id: str) -> CallRow:
    return CallRow(CallId(call_id), OrganizationId("o"), "outbound", "in-progress", NOW, NOW)


def test_the_sweep_ends_only_what_nobody_owns_and_is_old_enough():
    """A leg of a call that is being set up is left alone; so is another's leg."""
    legs = [
        LegOnPbx(LegId("tl-owned"), "Up", ours=True, created_at=NOW - timedelta(hours=1)),
        LegOnPbx(LegId("tl-stray"), "Up", ours=True, created_at=NOW - timedelta(seconds=31)),
        LegOnPbx(LegId("tl-young"), "Up", ours=True, created_at=NOW - timedelta(seconds=2)),
        LegOnPbx(LegId("desk-phone"), "Up", ours=False, created_at=NOW - timedelta(hours=1)),
    ]
    repairs = plan(
        Snapshot(NOW, legs, [BridgeId("b-owned"), BridgeId("b-stray"), BridgeId("b-new")]),
        [_row("held"), _row("lost")],
        Possessions({CallId("held")}, {LegId("tl-owned")}, {BridgeId("b-owned")}),
        known_bridges={BridgeId("b-stray"), BridgeId("b-owned")},
        now=NOW,
        orphan_after_s=30,
    )

    assert (repairs.hang_up, repairs.close, repairs.end) == (["tl-stray"], ["b-stray"], ["lost"])
