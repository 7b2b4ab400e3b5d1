"""Asterisk 22 as `trunkline.pbx.port.Pbx`: every verb, one node. Each is one or two requests; the work is in the rooms beside."""

from __future__ import annotations

import re
from typing import Final

from trunkline.audio.formats import AudioFormat
from trunkline.core.clock import Clock
from trunkline.core.errors import InvalidField
from trunkline.core.ids import BridgeId, LegId, TrunkId
from trunkline.pbx.asterisk.ari_rest import AriError, segment
from trunkline.pbx.asterisk.media import MediaDesk
from trunkline.pbx.asterisk.node import Node
from trunkline.pbx.asterisk.originate import originate
from trunkline.pbx.asterisk.quality import leg_quality
from trunkline.pbx.asterisk.recording import PbxRecorder
from trunkline.pbx.hangup import Q850
from trunkline.pbx.port import (
    LegQuality,
    LegWatch,
    MediaChannel,
    MediaSink,
    Originate,
    PbxHealth,
    PbxRecording,
    Snapshot,
    TrunkSpec,
    TrunkStatus,
)
from trunkline.settings import Media, PbxSection

_DIGITS: Final = re.compile(r"[0-9*#A-D]{1,64}")
_DIGIT_MS: Final = 120
_BETWEEN_DIGITS_MS: Final = 80
_NO_MUSIC: Final = 409
_NOT_IN_BRIDGE: Final = 422
_BRIDGE_TYPE: Final = "mixing,dtmf_events"
"""Keys and audio always pass through the PBX; two SIP legs would otherwise talk past it."""


class AsteriskPbx:
    """One Asterisk node.

    Args:
        settings: where it is, and how to log in.
        media: the flush time-out, and whether wideband is wanted.
        clock: times recordings.
    """

    def __init__(self, settings: PbxSection, media: Media, clock: Clock) -> None:
        self._app = settings.ari_app
        self._name = settings.node
        self._node = Node(settings, clock, wideband=media.wideband)
        self._rest = self._node.rest
        self._media = MediaDesk(
            self._rest, self._node.book, settings.ari_app, flush_timeout_s=media.flush_timeout_ms / 1000
        )
        self._recorder = PbxRecorder(
            self._node.ami, clock, on_pbx=settings.recordings_on_pbx, here=settings.recordings_here
        )

    @property
    def node(self) -> str:
        """The node's name."""
        return self._name

    async def start(self) -> None:
        """Connects and stays connected; returns in any case after the connect time-out."""
        await self._node.start()

    async def close(self) -> None:
        """Disconnects; legs are left as they are."""
        await self._node.close()

    async def health(self) -> PbxHealth:
        """A live look, within 2 s."""
        return await self._node.health()

    async def snapshot(self) -> Snapshot:
        """What is up right now."""
        return await self._node.snapshot()

    # --- legs -------------------------------------------------------------------------------------------------------

    def watch(self, leg_id: LegId) -> LegWatch:
        """Registers for a leg's events, before the leg exists."""
        return self._node.book.watch(leg_id)

    async def originate(self, order: Originate) -> None:
        """Creates the leg and dials."""
        self._node.require_events()
        self._node.expect_dial(order)
        await originate(self._rest, self._node.book, self._app, order, self._node.trunks.get(order.trunk_id))

    async def answer(self, leg_id: LegId) -> None:
        """Answers an inbound leg."""
        await self._rest.post(_channel(leg_id, "answer"))

    async def hang_up(self, leg_id: LegId, cause: Q850 = Q850.NORMAL_CLEARING) -> None:
        """Ends a leg; no error when it is gone."""
        await self._rest.delete(_channel(leg_id), reason_code=cause.value)

    async def send_digits(self, leg_id: LegId, digits: str) -> None:
        """Sends DTMF to the leg's party."""
        if not _DIGITS.fullmatch(digits):
            raise InvalidField("digits", "digits must be 1 to 64 of 0-9, *, # and A-D.")
        await self._rest.post(
            _channel(leg_id, "dtmf"), dtmf=digits, duration=_DIGIT_MS, between=_BETWEEN_DIGITS_MS
        )

    async def hold(self, leg_id: LegId) -> None:
        """Puts the leg's party on hold with music."""
        await self._rest.post(_channel(leg_id, "hold"))

    async def resume(self, leg_id: LegId) -> None:
        """Takes the leg's party off hold."""
        await self._rest.delete(_channel(leg_id, "hold"))

    async def mute(self, leg_id: LegId) -> None:
        """What the leg's party says is no longer heard by the bridge."""
        await self._rest.post(_channel(leg_id, "mute"), direction="in")

    async def unmute(self, leg_id: LegId) -> None:
        """Undoes `mute`."""
        await self._rest.delete(_channel(leg_id, "mute"), direction="in")

    async def start_ringback(self, leg_id: LegId) -> None:
        """The leg's party hears a ringing tone."""
        await self._rest.post(_channel(leg_id, "ring"))

    async def stop_ringback(self, leg_id: LegId) -> None:
        """Ends the ringing tone."""
        await self._rest.delete(_channel(leg_id, "ring"))

    async def leg_quality(self, leg_id: LegId) -> LegQuality | None:
        """RTP statistics of a live leg; None when it has none."""
        try:
            statistics = await self._rest.get(_channel(leg_id, "rtp_statistics"))
            return leg_quality(statistics, codec=await self._node.codec(leg_id))
        except AriError:
            return None

    # --- bridges ----------------------------------------------------------------------------------------------------

    async def open_bridge(self, bridge_id: BridgeId) -> None:
        """Makes an empty mixing bridge."""
        await self._rest.post(_bridge(bridge_id), type=_BRIDGE_TYPE, name=self._app)

    async def join(self, bridge_id: BridgeId, leg_id: LegId) -> None:
        """Moves a leg into a bridge, out of the one it was in."""
        await self._rest.post(_bridge(bridge_id, "addChannel"), channel=leg_id)

    async def leave(self, bridge_id: BridgeId, leg_id: LegId) -> None:
        """Takes a leg out of a bridge; it stays up."""
        try:
            await self._rest.post(_bridge(bridge_id, "removeChannel"), channel=leg_id)
        except AriError as error:
            if error.http_status != _NOT_IN_BRIDGE:
                raise

    async def close_bridge(self, bridge_id: BridgeId) -> None:
        """Destroys a bridge; legs in it stay up. No error when it is gone."""
        await self._rest.delete(_bridge(bridge_id))

    async def start_music(self, bridge_id: BridgeId) -> None:
        """Music on hold for everyone in the bridge."""
        await self._rest.post(_bridge(bridge_id, "moh"))

    async def stop_music(self, bridge_id: BridgeId) -> None:
        """Ends the music. No error when none plays."""
        try:
            await self._rest.delete(_bridge(bridge_id, "moh"))
        except AriError as error:
            if error.http_status != _NO_MUSIC:
                raise

    async def open_media(
        self, leg_id: LegId, bridge_id: BridgeId, audio: AudioFormat, sink: MediaSink
    ) -> MediaChannel:
        """Attaches our audio to a bridge."""
        self._node.require_events()
        return await self._media.open(leg_id, bridge_id, audio, sink)

    # --- recordings -------------------------------------------------------------------------------------------------

    async def start_recording(self, leg_id: LegId, name: str) -> PbxRecording:
        """The PBX records the leg by itself, both directions apart."""
        return await self._recorder.start(leg_id, name)

    async def stop_recording(self, recording: PbxRecording) -> None:
        """Ends it and returns when both files are whole."""
        await self._recorder.stop(recording)

    # --- trunks -----------------------------------------------------------------------------------------------------

    async def put_trunk(self, trunk: TrunkSpec) -> None:
        """Makes the trunk usable at once, and again after a restart of the PBX."""
        await self._node.trunks.put(trunk)

    async def remove_trunk(self, trunk_id: TrunkId) -> None:
        """Removes a trunk; calls on it go on."""
        await self._node.trunks.remove(trunk_id)

    async def trunk_status(self, trunk_id: TrunkId) -> TrunkStatus:
        """Reachable, registered, and why not."""
        return await self._node.trunks.status(trunk_id)


def _channel(leg_id: LegId, verb: str = "") -> str:
    return f"/channels/{segment(leg_id)}" + (f"/{verb}" if verb else "")


def _bridge(bridge_id: BridgeId, verb: str = "") -> str:
    return f"/bridges/{segment(bridge_id)}" + (f"/{verb}" if verb else "")
