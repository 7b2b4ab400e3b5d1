"""From Q.850 and SIP to one verdict on why a leg ended. Pure.

Sources: ITU-T Q.850 cause values; RFC 3398 section 7.2.4 and RFC 3261 section 21; Asterisk's own map in res_pjsip.c
(`ast_sip_hangup_sip2cause`), in which several SIP answers share one cause, so the SIP status, where it is known, decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Literal


class Q850(IntEnum):
    """The causes that we send or tell apart."""

    UNALLOCATED_NUMBER = 1
    NO_ROUTE_DESTINATION = 3
    NORMAL_CLEARING = 16
    USER_BUSY = 17
    NO_USER_RESPONSE = 18
    NO_ANSWER = 19
    SUBSCRIBER_ABSENT = 20
    CALL_REJECTED = 21
    NUMBER_CHANGED = 22
    DESTINATION_OUT_OF_ORDER = 27
    INVALID_NUMBER_FORMAT = 28
    NORMAL_UNSPECIFIED = 31
    NORMAL_CIRCUIT_CONGESTION = 34
    NETWORK_OUT_OF_ORDER = 38
    TEMPORARY_FAILURE = 41
    SWITCH_CONGESTION = 42
    BEARER_CAPABILITY_NOT_AVAILABLE = 58
    RECOVERY_ON_TIMER_EXPIRE = 102
    INTERWORKING = 127


@dataclass(frozen=True, slots=True)
class Hangup:
    """Why a leg ended.

    Attributes:
        q850: the ITU-T Q.850 cause value; 0 where the PBX told none.
        sip: the last SIP status of an off-nominal end, where the PBX told it.
        cause: snake_case name of the verdict, such as `normal_clearing`, `user_busy`, `pbx_lost`.
    """

    q850: int
    sip: int | None
    cause: str


PBX_LOST: Final = Hangup(0, None, "pbx_lost")
"""The PBX went away with the leg, so nobody told why it ended."""

RING_TIMED_OUT: Final = Hangup(Q850.NO_ANSWER, None, "no_answer")
"""We let it ring as long as was asked, then gave up."""

Unanswered = Literal[
    "no_answer",
    "busy",
    "declined",
    "invalid_number",
    "dial_failed",
    "carrier_blocked",
    "rejected",
    "pbx_lost",
]
"""Why a call was not answered; each is one of a record's end reasons."""

# --- names ------------------------------------------------------------------------------------------------------------

_Q850_NAMES: Final[dict[int, str]] = {
    1: "unallocated_number",
    2: "no_route_transit_network",
    3: "no_route_destination",
    4: "send_special_tone",
    5: "misdialled_trunk_prefix",
    6: "channel_unacceptable",
    7: "call_awarded",
    8: "preemption",
    9: "preemption_reserved",
    14: "number_ported",
    16: "normal_clearing",
    17: "user_busy",
    18: "no_user_response",
    19: "no_answer",
    20: "subscriber_absent",
    21: "call_rejected",
    22: "number_changed",
    23: "redirected",
    24: "rejected_by_feature",
    25: "exchange_routing_error",
    26: "non_selected_user_clearing",
    27: "destination_out_of_order",
    28: "invalid_number_format",
    29: "facility_rejected",
    30: "response_to_status_enquiry",
    31: "normal_unspecified",
    34: "normal_circuit_congestion",
    38: "network_out_of_order",
    39: "frame_mode_out_of_service",
    40: "frame_mode_operational",
    41: "temporary_failure",
    42: "switch_congestion",
    43: "access_information_discarded",
    44: "channel_not_available",
    46: "precedence_call_blocked",
    47: "resource_unavailable",
    49: "quality_of_service_unavailable",
    50: "facility_not_subscribed",
    53: "outgoing_call_barred",
    55: "incoming_call_barred",
    57: "bearer_capability_not_authorized",
    58: "bearer_capability_not_available",
    62: "inconsistent_access_information",
    63: "service_not_available",
    65: "bearer_capability_not_implemented",
    66: "channel_type_not_implemented",
    69: "facility_not_implemented",
    70: "restricted_digital_only",
    79: "service_not_implemented",
    81: "invalid_call_reference",
    82: "channel_does_not_exist",
    83: "suspended_call_identity_mismatch",
    84: "call_identity_in_use",
    85: "no_call_suspended",
    86: "call_identity_cleared",
    87: "not_in_closed_user_group",
    88: "incompatible_destination",
    90: "closed_user_group_unknown",
    91: "invalid_transit_network",
    95: "invalid_message",
    96: "mandatory_element_missing",
    97: "message_type_unknown",
    98: "message_incompatible_with_state",
    99: "element_unknown",
    100: "invalid_element_contents",
    101: "wrong_call_state",
    102: "recovery_on_timer_expire",
    103: "parameter_passed_on",
    110: "message_discarded",
    111: "protocol_error",
    127: "interworking",
}

_SIP_NAMES: Final[dict[int, str]] = {
    401: "not_authorized",
    403: "forbidden",
    407: "not_authorized",
    480: "temporarily_unavailable",
    487: "cancelled",
    488: "media_not_acceptable",
    606: "media_not_acceptable",
    607: "carrier_blocked",
    608: "carrier_blocked",
}
"""Only where SIP says more than the cause that Asterisk makes of it."""

_SIP_TO_Q850: Final[dict[int, int]] = {
    401: 21,
    403: 21,
    404: 1,
    407: 21,
    408: 18,
    410: 22,
    480: 19,
    484: 28,
    485: 1,
    486: 17,
    488: 58,
    500: 38,
    502: 27,
    503: 34,
    504: 102,
    600: 17,
    603: 21,
    604: 1,
    606: 58,
    607: 21,
    608: 21,
}

_FRAUD_SIGNS: Final = ("32203", "network blocked", "v=analytics")
"""In a Reason or error header: a carrier's code for suspected fraud, and the analytics block of ATIS-1000099 (603+)."""


def q850_of_sip(sip: int) -> int:
    """The cause that Asterisk makes of a final SIP status (300 to 699)."""
    if sip in _SIP_TO_Q850:
        return _SIP_TO_Q850[sip]
    return Q850.NORMAL_CIRCUIT_CONGESTION if 500 <= sip < 600 else Q850.INTERWORKING


def verdict(q850: int, sip: int | None, detail: str = "") -> Hangup:
    """Names what a PBX told of a leg's end.

    Args:
        q850: the cause, 0 where none was told.
        sip: the final SIP status; anything outside of 300 to 699 is none (a media leg's close code).
        detail: text of a Reason or error header that came with it, where the PBX tells it.
    """
    status = sip if sip is not None and 300 <= sip <= 699 else None
    if status == 603 and any(sign in detail.lower() for sign in _FRAUD_SIGNS):
        return Hangup(q850, status, "carrier_blocked")
    if status in _SIP_NAMES and not (status == 487 and q850 not in (0, Q850.INTERWORKING)):
        return Hangup(q850, status, _SIP_NAMES[status])
    cause = q850 or (q850_of_sip(status) if status else 0)
    return Hangup(q850, status, _Q850_NAMES.get(cause, f"q850_{cause}" if cause else "unknown"))


# --- why nobody answered ----------------------------------------------------------------------------------------------

_BY_CAUSE: Final[dict[str, tuple[Unanswered, str]]] = {
    "pbx_lost": ("pbx_lost", "The PBX was lost before the call was answered"),
    "carrier_blocked": ("carrier_blocked", "The carrier blocked the call as unwanted or suspected fraud"),
    "cancelled": ("no_answer", "The call was cancelled before it was answered"),
    "temporarily_unavailable": ("no_answer", "The number can't be reached at the moment"),
    "not_authorized": ("rejected", "The carrier did not accept the trunk's credentials"),
    "forbidden": (
        "rejected",
        "The carrier forbids this call; check the account, the destination and the caller ID",
    ),
    "media_not_acceptable": ("dial_failed", "The far side accepts none of the trunk's codecs"),
    "user_busy": ("busy", "The number is busy"),
    "no_answer": ("no_answer", "Nobody answered in time"),
    "no_user_response": ("no_answer", "The far side did not respond"),
    "subscriber_absent": ("no_answer", "The number can't be reached at the moment"),
    "normal_clearing": ("no_answer", "The call ended before it was answered"),
    "call_rejected": ("declined", "The call was declined"),
    "rejected_by_feature": ("declined", "The call was declined"),
    "unallocated_number": ("invalid_number", "The number does not exist"),
    "number_changed": ("invalid_number", "The number has changed"),
    "invalid_number_format": ("invalid_number", "The number is not complete or not valid"),
    "misdialled_trunk_prefix": ("invalid_number", "The number is not complete or not valid"),
    "outgoing_call_barred": ("rejected", "The carrier bars calls of this kind"),
    "incoming_call_barred": ("rejected", "The called line takes no such calls"),
    "not_in_closed_user_group": ("rejected", "The called line takes no such calls"),
    "facility_rejected": ("rejected", "The carrier rejected the call"),
    "facility_not_subscribed": ("rejected", "The carrier's subscription does not include this call"),
    "bearer_capability_not_authorized": ("rejected", "The carrier's subscription does not include this call"),
    "no_route_destination": ("dial_failed", "There is no route to the number"),
    "normal_circuit_congestion": ("dial_failed", "The carrier has no free line"),
    "switch_congestion": ("dial_failed", "The carrier has no free line"),
    "network_out_of_order": ("dial_failed", "The carrier's network is out of order"),
    "temporary_failure": ("dial_failed", "The carrier has a temporary failure"),
    "destination_out_of_order": ("dial_failed", "The called line is out of order"),
    "bearer_capability_not_available": ("dial_failed", "The far side accepts none of the trunk's codecs"),
    "bearer_capability_not_implemented": ("dial_failed", "The far side accepts none of the trunk's codecs"),
    "incompatible_destination": ("dial_failed", "The far side accepts none of the trunk's codecs"),
    "recovery_on_timer_expire": ("dial_failed", "The carrier did not answer in time"),
}


def unanswered(hangup: Hangup) -> tuple[Unanswered, str]:
    """Why an outbound call that nobody answered ended: the reason, and a sentence for people. Every hangup has one."""
    reason, sentence = _BY_CAUSE.get(hangup.cause, ("dial_failed", "The call could not be set up"))
    told = [f"SIP {hangup.sip}"] if hangup.sip else []
    told += [f"cause {hangup.q850} {_Q850_NAMES.get(hangup.q850, 'unknown')}"] if hangup.q850 else []
    return reason, f"{sentence} ({', '.join(told)})." if told else f"{sentence}."
