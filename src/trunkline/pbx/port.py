"""What a PBX can do for us: verbs, events and a snapshot. Telephony words only; nothing of Asterisk.

Promises that every implementation keeps (tests/contract/pbx holds each to them):

1. *We choose ids.* The caller picks every leg, bridge and media id, and calls `watch` before `originate`, so no event is lost.
2. *A leg ends once.* Whatever happens (refusal, hang-up, lost PBX), a watched leg yields exactly one `LegEnded`, last; then its
   iterator stops.
3. *Hang-up is idempotent.* Hanging up a leg that is gone is no error.
4. *A lost answer is unknown, never retried.* `originate` raises `UpstreamError` with `retryable=True` only where the leg was
   certainly never dialled.
5. *Nothing stays behind.* A leg that ended leaves its bridge; a media channel that closed ends its leg; the caller closes
   bridges it opened.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

from trunkline.audio.formats import AudioFormat
from trunkline.core.ids import BridgeId, LegId, TrunkId
from trunkline.pbx.hangup import Q850, Hangup

# --- what happens to a leg --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LegRinging:
    """The far side said 180: somebody's phone rings."""

    leg_id: LegId


@dataclass(frozen=True, slots=True)
class LegEarlyMedia:
    """The far side said 183 with media: there is sound before the answer."""

    leg_id: LegId


@dataclass(frozen=True, slots=True)
class LegAnswered:
    """The leg is up. `wideband` tells whether its codec carries more than 8 kHz."""

    leg_id: LegId
    wideband: bool = False


@dataclass(frozen=True, slots=True)
class LegDigit:
    """The party on this leg pressed a key: one of `0-9 * # A-D`."""

    leg_id: LegId
    digit: str


@dataclass(frozen=True, slots=True)
class LegEnded:
    """The leg is gone. Always the last event of a leg."""

    leg_id: LegId
    hangup: Hangup


LegEvent = LegRinging | LegEarlyMedia | LegAnswered | LegDigit | LegEnded


class LegWatch(Protocol):
    """The events of one leg, in order, unbounded only by the leg's own life."""

    def __aiter__(self) -> AsyncIterator[LegEvent]:
        """Yields until `LegEnded`, inclusive."""
        ...

    def close(self) -> None:
        """Stops watching; events that come later are dropped."""
        ...


# --- what we ask for --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Originate:
    """One outbound leg.

    Attributes:
        leg_id: chosen by us, watched before this is sent.
        trunk_id: which trunk carries it.
        destination: E.164 for a trunk; a `sip:` URI is dialled through the trunk's transport; `local:<extension>` is a
            phone or service of the PBX itself.
        caller_id: the number presented; None withholds it.
        caller_name: the display name beside it.
        ring_timeout_s: the leg ends with cause 19 (no answer) when nobody answered in time. Never unlimited.
        max_duration_s: the PBX itself ends the leg after this long, even when we are gone.
        bridge_id: an open bridge that the leg joins before it is dialled, so that not one frame is lost at the answer.
        headers: SIP headers added to the INVITE; names and values without control characters.
    """

    leg_id: LegId
    trunk_id: TrunkId
    destination: str
    caller_id: str | None
    ring_timeout_s: int
    max_duration_s: int
    caller_name: str | None = None
    bridge_id: BridgeId | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


# --- audio ------------------------------------------------------------------------------------------------------------


class MediaSink(Protocol):
    """Who hears a media channel. Called on the event loop, in order; each call must return in microseconds."""

    def on_audio(self, frames: bytes) -> None:
        """Caller audio in the channel's format: one or more whole frames, as they arrived."""
        ...

    def on_mark(self, mark_id: str) -> None:
        """Everything sent before this mark was played (to within one frame)."""
        ...

    def on_flow(self, *, paused: bool) -> None:
        """The PBX asks to stop sending (its queue is nearly full) or to go on."""
        ...

    def on_digit(self, digit: str) -> None:
        """A key the caller pressed, as the bridge delivered it."""
        ...

    def on_lost(self, reason: str) -> None:
        """The channel is gone though nobody closed it. The caller's leg may still be up."""
        ...


class MediaChannel(Protocol):
    """Two-way audio with one bridge. Playback is paced by the PBX: what is sent early waits in its queue."""

    @property
    def leg_id(self) -> LegId:
        """The leg that this channel is, on the PBX."""
        ...

    @property
    def audio(self) -> AudioFormat:
        """The format both ways."""
        ...

    async def send(self, frames: bytes) -> None:
        """Queues whole frames for playback. Takes microseconds; 5 s at most where the PBX takes nothing.

        Raises:
            ValueError: `frames` is not a multiple of the format's frame.
            UpstreamError: the channel is gone, or took nothing for that long.
        """
        ...

    async def mark(self, mark_id: str) -> None:
        """Asks for `on_mark(mark_id)` once everything sent so far was played. At most 40 ASCII characters."""
        ...

    async def flush(self) -> None:
        """Drops everything queued, marks included (they will never come). Returns once the PBX confirmed, or after 250 ms."""
        ...

    async def close(self) -> None:
        """Ends the channel and its leg. Idempotent; `on_lost` is not called."""
        ...


@dataclass(frozen=True, slots=True)
class LegQuality:
    """RTP as the PBX measured it, from its own receiver and the far side's reports; None where unknown."""

    codec: str | None = None
    rx_packets: int | None = None
    tx_packets: int | None = None
    rx_lost: int | None = None
    tx_lost: int | None = None
    rx_jitter_ms: float | None = None
    tx_jitter_ms: float | None = None
    rtt_ms: float | None = None


@dataclass(frozen=True, slots=True)
class PbxRecording:
    """A recording that the PBX makes of one leg, in two mono 8 kHz WAV files that we can read when it is stopped.

    Attributes:
        received_path: what the leg's party said.
        sent_path: what the leg's party heard.
        started_monotonic_s: when it began, by our clock.
    """

    leg_id: LegId
    received_path: str
    sent_path: str
    started_monotonic_s: float


# --- trunks -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TrunkSpec:
    """A SIP trunk as the PBX needs it.

    Attributes:
        host, port: where the carrier takes our INVITEs.
        inbound_addresses: hosts or CIDR ranges from which the carrier sends calls; `host` is always one of them.
        codecs: by Asterisk's names, best first.
        strip, prefix: how the carrier wants numbers: so many characters off the front, then this put before.
        password: clear text; implementations never log it.
    """

    id: TrunkId
    host: str
    port: int
    transport: Literal["udp", "tcp", "tls"] = "udp"
    username: str | None = None
    password: str | None = None
    register: bool = False
    from_domain: str | None = None
    codecs: Sequence[str] = ("ulaw", "alaw")
    srtp: bool = False
    inbound_addresses: Sequence[str] = ()
    strip: int = 0
    prefix: str = ""

    def as_dialled(self, number: str) -> str:
        """An E.164 number in the carrier's own form."""
        return f"{self.prefix}{number[self.strip :]}"


@dataclass(frozen=True, slots=True)
class TrunkStatus:
    """What the PBX knows of a trunk now. `reachable` is None while it was not asked yet."""

    reachable: bool | None
    registered: bool | None = None
    rtt_ms: float | None = None
    reason: str | None = None


# --- the PBX as a whole -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PbxHealth:
    """Whether the PBX can be used, and what it is."""

    connected: bool
    version: str | None
    started_at: datetime | None
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class LegOnPbx:
    """One leg in a snapshot. `ours` is true where its id was chosen by us."""

    leg_id: LegId
    state: str
    ours: bool
    created_at: datetime | None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything of ours that the PBX has right now."""

    started_at: datetime | None
    legs: Sequence[LegOnPbx]
    bridges: Sequence[BridgeId]


class Pbx(Protocol):
    """One PBX node. Every method may raise `UpstreamError` when the PBX can't be reached or refuses."""

    @property
    def node(self) -> str:
        """The node's name; a leg id means nothing without it."""
        ...

    async def start(self) -> None:
        """Connects and stays connected. Returns once connected, or after the connect time-out with `health().connected` false."""
        ...

    async def close(self) -> None:
        """Stops watching and disconnects; legs are left as they are."""
        ...

    async def health(self) -> PbxHealth:
        """A live look, within 2 s."""
        ...

    def watch(self, leg_id: LegId) -> LegWatch:
        """Registers for a leg's events, before the leg exists."""
        ...

    async def originate(self, order: Originate) -> None:
        """Creates the leg and dials. Returns once the PBX took the order; the outcome comes as events."""
        ...

    async def answer(self, leg_id: LegId) -> None:
        """Answers an inbound leg."""
        ...

    async def hang_up(self, leg_id: LegId, cause: Q850 = Q850.NORMAL_CLEARING) -> None:
        """Ends a leg; no error when it is gone."""
        ...

    async def open_bridge(self, bridge_id: BridgeId) -> None:
        """Makes an empty mixing bridge."""
        ...

    async def join(self, bridge_id: BridgeId, leg_id: LegId) -> None:
        """Moves a leg into a bridge, out of the one it was in."""
        ...

    async def leave(self, bridge_id: BridgeId, leg_id: LegId) -> None:
        """Takes a leg out of a bridge; it stays up."""
        ...

    async def close_bridge(self, bridge_id: BridgeId) -> None:
        """Destroys a bridge; legs in it stay up. No error when it is gone."""
        ...

    async def open_media(
        self, leg_id: LegId, bridge_id: BridgeId, audio: AudioFormat, sink: MediaSink
    ) -> MediaChannel:
        """Attaches our audio to a bridge. Returns once frames can flow both ways."""
        ...

    async def start_music(self, bridge_id: BridgeId) -> None:
        """Music on hold for everyone in the bridge."""
        ...

    async def stop_music(self, bridge_id: BridgeId) -> None:
        """Ends the music. No error when none plays."""
        ...

    async def start_ringback(self, leg_id: LegId) -> None:
        """The leg's party hears a ringing tone."""
        ...

    async def stop_ringback(self, leg_id: LegId) -> None:
        """Ends the ringing tone."""
        ...

    async def send_digits(self, leg_id: LegId, digits: str) -> None:
        """Sends DTMF to the leg's party (`0-9 * # A-D`; RFC 4733 on SIP)."""
        ...

    async def hold(self, leg_id: LegId) -> None:
        """Puts the leg's party on hold with music."""
        ...

    async def resume(self, leg_id: LegId) -> None:
        """Takes the leg's party off hold."""
        ...

    async def mute(self, leg_id: LegId) -> None:
        """What the leg's party says is no longer heard by the bridge."""
        ...

    async def unmute(self, leg_id: LegId) -> None:
        """Undoes `mute`."""
        ...

    async def start_recording(self, leg_id: LegId, name: str) -> PbxRecording:
        """The PBX records the leg by itself, both directions apart."""
        ...

    async def stop_recording(self, recording: PbxRecording) -> None:
        """Ends it and returns when both files are whole. No error when the leg is gone."""
        ...

    async def leg_quality(self, leg_id: LegId) -> LegQuality | None:
        """RTP statistics of a live leg; None when it has none."""
        ...

    async def snapshot(self) -> Snapshot:
        """What is up right now."""
        ...

    async def put_trunk(self, trunk: TrunkSpec) -> None:
        """Makes the trunk usable at once; idempotent. Kept over a restart of the PBX by being put again."""
        ...

    async def remove_trunk(self, trunk_id: TrunkId) -> None:
        """Removes a trunk; calls on it go on. No error when it is gone."""
        ...

    async def trunk_status(self, trunk_id: TrunkId) -> TrunkStatus:
        """Reachable, registered, and why not."""
        ...
