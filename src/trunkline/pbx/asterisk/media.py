"""A media channel, from order to audio: a `WebSocket` channel of Asterisk in server mode, to which we connect."""

from __future__ import annotations

from typing import Any, Final

from trunkline.audio.formats import AudioFormat
from trunkline.core.errors import InternalError, UpstreamError
from trunkline.core.ids import BridgeId, LegId
from trunkline.pbx.asterisk.ari_rest import AriRest, segment
from trunkline.pbx.asterisk.media_socket import MediaSocket
from trunkline.pbx.asterisk.originate import arrived, drop
from trunkline.pbx.asterisk.watch import LegBook
from trunkline.pbx.port import MediaSink

_REMEMBERED_IDS: Final = 10_000


class MediaDesk:
    """Opens media channels."""

    def __init__(self, rest: AriRest, book: LegBook, app: str, *, flush_timeout_s: float) -> None:
        self._rest = rest
        self._book = book
        self._app = app
        self._flush_timeout_s = flush_timeout_s
        self._used_ids: dict[LegId, None] = {}

    async def open(
        self, leg_id: LegId, bridge_id: BridgeId, audio: AudioFormat, sink: MediaSink
    ) -> MediaSocket:
        """Makes the channel, connects to it, joins it to the bridge.

        Raises:
            InternalError: the id was used before.
            UpstreamError: not possible; nothing is left behind.
        """
        self._use_up(leg_id)
        channel = MediaSocket(leg_id, audio, sink, flush_timeout_s=self._flush_timeout_s)
        arrival = self._book.expect(leg_id)
        try:
            made = await self._rest.post(
                "/channels/externalMedia",
                app=self._app,
                channelId=leg_id,
                format=audio.asterisk_name,
                transport="websocket",
                encapsulation="none",
                connection_type="server",
                transport_data="f(json)",
            )
            await channel.connect(self._rest.url(f"/media/{segment(_connection_id(made))}"))
            # Once connected, Asterisk answers the channel by itself and hands it to us.
            if not await arrived(arrival):
                raise UpstreamError("The PBX ended the audio channel before it was of use.")
            await self._rest.post(f"/bridges/{segment(bridge_id)}/addChannel", channel=leg_id)
        except BaseException:
            await channel.close()
            await drop(self._rest, leg_id)
            raise
        finally:
            self._book.stop_expecting(leg_id)
        return channel

    def _use_up(self, leg_id: LegId) -> None:
        """Asterisk 22.10.1 crashes when a WebSocket channel gets the id of another; so each is used once."""
        if leg_id in self._used_ids:
            raise InternalError(f"Media leg id {leg_id} was used before.")
        self._used_ids[leg_id] = None
        if len(self._used_ids) > _REMEMBERED_IDS:
            del self._used_ids[next(iter(self._used_ids))]


def _connection_id(made: Any) -> str:
    try:
        return str(made["channelvars"]["MEDIA_WEBSOCKET_CONNECTION_ID"])
    except (KeyError, TypeError) as error:
        raise UpstreamError("The PBX made an audio channel without telling where to connect.") from error
