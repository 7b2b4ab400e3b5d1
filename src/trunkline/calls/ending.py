"""From what is known at the end of a call to the one verdict its record keeps. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from trunkline.pbx.hangup import Hangup, unanswered
from trunkline.store.rows import CallStatus, EndReason

_OUR_FAILURES: frozenset[EndReason] = frozenset({"error", "pbx_lost", "dial_failed"})


@dataclass(frozen=True, slots=True)
class Wanted:
    """Why we ended the call ourselves. `error` is a sentence, only for failures."""

    reason: EndReason
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the record says of the end."""

    status: CallStatus
    end_reason: EndReason
    error: str | None


def conclude(hangup: Hangup, *, answered: bool, handed_over: bool, wanted: Wanted | None) -> Verdict:
    """The verdict, by the first rule that fits.

    1. What we wanted comes first: we ended it, so the far side's cause says nothing new.
    2. A PBX that was lost is a failure, answered or not.
    3. Never answered: the far side's own words, as a failure.
    4. Handed over to a human: `transferred`, whoever hung up.
    5. Else the far side hung up.
    """
    if wanted is not None:
        return Verdict("failed" if wanted.reason in _OUR_FAILURES else "ended", wanted.reason, wanted.error)
    if hangup.cause == "pbx_lost":
        return Verdict("failed", "pbx_lost", "The PBX was lost during the call.")
    if not answered:
        reason, sentence = unanswered(hangup)
        return Verdict("failed", reason, sentence)
    return Verdict("ended", "transferred" if handed_over else "user_hangup", None)


def as_record(hangup: Hangup) -> dict[str, Any]:
    """The Call's `hangup` object."""
    return {"q850": hangup.q850, "sip": hangup.sip, "cause": hangup.cause}
