"""Everything one call needs, decided before anything is dialled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from trunkline.audio.formats import ALAW_8K, SLIN_16K, ULAW_8K, AudioFormat
from trunkline.conversation.plan import ConversationPlan
from trunkline.core.ids import BridgeId, CallId, LegId, OrganizationId, TrunkId

_WIDEBAND: Final = frozenset({"g722", "opus", "slin16", "siren7", "silk16"})
_FIRST_CODEC: Final[dict[str, AudioFormat]] = {"alaw": ALAW_8K, "ulaw": ULAW_8K}


@dataclass(frozen=True, slots=True)
class CallOrder:
    """One outbound call, resolved.

    Attributes:
        destination: E.164.
        caller_id: the number of ours that calls.
        transfer_trunk_id: where transfers leave.
        ring_timeout_s: unanswered after this long is `no_answer`.
        max_duration_s: from the answer; then the assistant is cut off with `max_duration`.
        transfer_timeout_s: how long a transfer target may ring when the request does not say.
        audio: format of our media with the PBX.
        record: keep a stereo recording.
        keep_content: keep the transcript; false where the assistant is told to keep nothing (`gdpr_mode`).
    """

    call_id: CallId
    organization_id: OrganizationId
    leg_id: LegId
    bridge_id: BridgeId
    destination: str
    caller_id: str
    trunk_id: TrunkId
    transfer_trunk_id: TrunkId
    ring_timeout_s: int
    max_duration_s: int
    transfer_timeout_s: int
    audio: AudioFormat
    plan: ConversationPlan
    record: bool = True
    keep_content: bool = True


def leg_audio(codecs: Sequence[str], *, wideband: bool) -> AudioFormat:
    """The cheapest media format that loses nothing: the trunk's first codec where it is G.711, 16 kHz where it carries more."""
    first = codecs[0] if codecs else "ulaw"
    if first in _WIDEBAND:
        return SLIN_16K if wideband else ULAW_8K
    return _FIRST_CODEC.get(first, ULAW_8K)
