from __future__ import annotations

from typing import get_args

import pytest

from trunkline.pbx.hangup import (
    PBX_LOST,
    Q850,
    RING_TIMED_OUT,
    Hangup,
    Unanswered,
    q850_of_sip,
    unanswered,
    verdict,
)
from trunkline.store.rows import EndReason


@pytest.mark.parametrize(
    ("q850", "sip", "cause", "reason"),
    [
        # as Asterisk tells what a carrier answered
        (17, 486, "user_busy", "busy"),
        (17, 600, "user_busy", "busy"),
        (19, 480, "temporarily_unavailable", "no_answer"),
        (18, 408, "no_user_response", "no_answer"),
        (21, 603, "call_rejected", "declined"),
        (21, 403, "forbidden", "rejected"),
        (21, 401, "not_authorized", "rejected"),
        (21, 407, "not_authorized", "rejected"),
        (127, 607, "carrier_blocked", "carrier_blocked"),
        (127, 608, "carrier_blocked", "carrier_blocked"),
        (1, 404, "unallocated_number", "invalid_number"),
        (1, 604, "unallocated_number", "invalid_number"),
        (1, 485, "unallocated_number", "invalid_number"),
        (28, 484, "invalid_number_format", "invalid_number"),
        (22, 410, "number_changed", "invalid_number"),
        (58, 488, "media_not_acceptable", "dial_failed"),
        (58, 606, "media_not_acceptable", "dial_failed"),
        (34, 503, "normal_circuit_congestion", "dial_failed"),
        (38, 500, "network_out_of_order", "dial_failed"),
        (27, 502, "destination_out_of_order", "dial_failed"),
        (102, 504, "recovery_on_timer_expire", "dial_failed"),
        (42, 503, "switch_congestion", "dial_failed"),
        (127, 302, "interworking", "dial_failed"),
        # an answer to our own CANCEL says nothing that we did not know
        (19, 487, "no_answer", "no_answer"),
        (127, 487, "cancelled", "no_answer"),
        (16, 487, "normal_clearing", "no_answer"),
        # without SIP
        (16, None, "normal_clearing", "no_answer"),
        (17, None, "user_busy", "busy"),
        (19, None, "no_answer", "no_answer"),
        (20, None, "subscriber_absent", "no_answer"),
        (21, None, "call_rejected", "declined"),
        (3, None, "no_route_destination", "dial_failed"),
        (77, None, "q850_77", "dial_failed"),
        (0, None, "unknown", "dial_failed"),
        # SIP without a cause
        (0, 486, "user_busy", "busy"),
        (0, 503, "normal_circuit_congestion", "dial_failed"),
        # a media leg's close code is no SIP status
        (38, 1001, "network_out_of_order", "dial_failed"),
    ],
)
def test_each_ending_has_a_name_and_a_reason(q850, sip, cause, reason):
    """The SIP status decides where several share a cause."""
    hangup = verdict(q850, sip)

    assert (hangup.cause, unanswered(hangup)[0]) == (cause, reason)


@pytest.mark.parametrize("detail", ["32203", 'SIP;cause=603;text="v=analytics1;url=..."', "Network Blocked"])
def test_a_decline_by_the_carriers_fraud_guard_is_told_apart(detail):
    """The same 603 that a person sends must not be taken for a person's."""
    blocked = verdict(21, 603, detail)

    assert (blocked.cause, unanswered(blocked)[0]) == ("carrier_blocked", "carrier_blocked")
    assert verdict(21, 603, "Decline").cause == "call_rejected"


@pytest.mark.parametrize(("hangup", "reason"), [(PBX_LOST, "pbx_lost"), (RING_TIMED_OUT, "no_answer")])
def test_what_the_pbx_did_not_tell_has_a_verdict_too(hangup, reason):
    """A lost PBX and our own patience."""
    assert unanswered(hangup)[0] == reason


def test_nothing_is_without_a_verdict():
    """All Q.850 causes with all SIP statuses: a snake_case name, an end reason of the record, a sentence."""
    for q850 in range(128):
        for sip in (None, *range(300, 700)):
            hangup = verdict(q850, sip)
            reason, sentence = unanswered(hangup)

            assert hangup.cause.replace("_", "").isalnum()
            assert hangup.cause == hangup.cause.lower()
            assert reason in get_args(Unanswered)
            assert sentence.endswith(".")
            assert sentence[0].isupper()


def test_every_reason_is_one_of_the_records():
    """The record knows each word that can come from here."""
    assert set(get_args(Unanswered)) < set(get_args(EndReason))


def test_every_cause_that_we_send_has_a_name():
    """No `q850_…` for a cause of our own."""
    assert all(verdict(cause, None).cause == cause.name.lower() for cause in Q850)


@pytest.mark.parametrize(
    ("hangup", "sentence"),
    [
        (verdict(17, 486), "The number is busy (SIP 486, cause 17 user_busy)."),
        (verdict(34, 503), "The carrier has no free line (SIP 503, cause 34 normal_circuit_congestion)."),
        (RING_TIMED_OUT, "Nobody answered in time (cause 19 no_answer)."),
        (PBX_LOST, "The PBX was lost before the call was answered."),
        (Hangup(0, None, "something new"), "The call could not be set up."),
    ],
)
def test_the_sentence_says_what_happened_and_what_was_told(hangup, sentence):
    """Fit for the record's `error`."""
    assert unanswered(hangup)[1] == sentence


@pytest.mark.parametrize(
    ("sip", "q850"), [(486, 17), (404, 1), (603, 21), (503, 34), (480, 19), (499, 127), (599, 34), (302, 127)]
)
def test_a_sip_status_becomes_the_cause_that_asterisk_makes_of_it(sip, q850):
    """So that a simulated leg ends as a real one does."""
    assert q850_of_sip(sip) == q850
