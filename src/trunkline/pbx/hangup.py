"""From Q.850 and SIP to one verdict on why a leg ended. Pure.

Sources: ITU-T Q.850 cause values; RFC 3398 section 7.2.4 and RFC 3261 section 21; Asterisk's own map in res_pjsip.c
(`ast_sip_hangup_sip2cause`), in which several SIP answers share one cause, so the SIP status, where it is known, decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


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
