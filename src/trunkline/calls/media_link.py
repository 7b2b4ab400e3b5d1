"""The audio between one call and its conversation: opened before the dial, restored when it is lost.

A lost media channel takes only our own leg down; the caller is still in the bridge, so a new channel with a new leg id
joins the same bridge and the talk goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from trunkline.audio.formats import AudioFormat
from trunkline.conversation.session import Conversation
from trunkline.core.errors import UpstreamError
from trunkline.core.ids import BridgeId, LegId
from trunkline.pbx.port import MediaChannel, Pbx

_log = structlog.get_logger()
_TRIES = 3
_PAUSE_S = 0.2
_PAUSE_AWAY_S = 1.0


class MediaLink:
    """The conversation's sink on the PBX's side. Audio goes straight through; only a loss is ours."""

    def __init__(
        self,
        pbx: Pbx,
        bridge_id: BridgeId,
        audio: AudioFormat,
        conversation: Conversation,
        *,
        new_leg_id: Callable[[], LegId],
        on_lost: Callable[[str], None],
    ) -> None:
        self._pbx = pbx
        self._bridge_id = bridge_id
        self._audio = audio
        self._conversation = conversation
        self._new_leg_id = new_leg_id
        self._tell_lost = on_lost
        self._channel: MediaChannel | None = None
        self._is_aside = False
        self._is_closed = False
        # The hot path: bound once, so that a frame costs one call.
        self.on_audio = conversation.on_audio
        self.on_mark = conversation.on_mark
        self.on_flow = conversation.on_flow

    def on_digit(self, digit: str) -> None:
        """Left out: digits come as events of the caller's leg, with or without media."""

    def on_lost(self, reason: str) -> None:
        """The channel is gone though we did not close it."""
        self._channel = None
        self._is_aside = False
        self._conversation.on_lost(reason)
        self._tell_lost(reason)

    async def open(self) -> None:
        """Opens a channel under a fresh leg id and hands it to the conversation.

        Raises:
            UpstreamError: the PBX refused or the socket could not be opened.
        """
        self._channel = await self._pbx.open_media(self._new_leg_id(), self._bridge_id, self._audio, self)
        if self._is_closed:
            # Caller and human were joined while we were still connecting: nobody listens in on them.
            await self._drop()
        else:
            self._conversation.attach(self._channel)

    async def step_aside(self) -> None:
        """Our leg leaves the bridge, so that nothing of it changes any more while others join.

        Raises:
            UpstreamError: the PBX refused.
        """
        if self._channel is not None and not self._is_aside:
            await self._pbx.leave(self._bridge_id, self._channel.leg_id)
            self._is_aside = True

    async def step_back(self) -> None:
        """Our leg is in the bridge again, as a new one if need be. No effect where it never left; never raises."""
        if self._channel is None or not self._is_aside:
            return
        self._is_aside = False
        try:
            await self._pbx.join(self._bridge_id, self._channel.leg_id)
        except UpstreamError as error:
            _log.warning("our leg could not come back", error=error.message)
            await self._drop()
            await self.restore()

    async def restore(self) -> bool:
        """Opens a new channel after a loss; False after three refusals.

        Where the whole PBX is away it goes on trying until its owner cancels it: the caller's leg comes back or is told as lost.
        """
        refusals = 0
        while refusals < _TRIES:
            try:
                await self.open()
            except UpstreamError as error:
                is_there = (await self._pbx.health()).connected
                refusals += is_there
                _log.warning("media not restored", refusals=refusals, pbx=is_there, error=error.message)
                await asyncio.sleep(_PAUSE_S if is_there else _PAUSE_AWAY_S)
            else:
                return True
        return False

    async def close(self) -> None:
        """Ends our leg, and any that is still on its way. Idempotent, never raises."""
        self._is_closed = True
        await self._drop()

    async def _drop(self) -> None:
        channel, self._channel = self._channel, None
        if channel is None:
            return
        try:
            await channel.close()
        except UpstreamError as error:
            _log.warning("media not closed", error=error.message)
