"""One outbound leg, step by step: make it, wait for it, join it to its bridge, dial it.

Nothing is dialled before the last step, so whatever fails before it is certain: the leg is withdrawn and the error raised.
A lost answer to the last step leaves the outcome unknown: the leg is hung up and ends by its event. So an order ends in a
raised error or in one `LegEnded`, never in both.
"""

from __future__ import annotations

import asyncio
from typing import Final, NoReturn

import structlog

from trunkline.core.errors import UpstreamError
from trunkline.core.ids import LegId
from trunkline.pbx.asterisk.ari_rest import AriError, AriRest, PbxUnreachable, segment
from trunkline.pbx.asterisk.dialling import channel_variables, dial_string, is_local
from trunkline.pbx.asterisk.watch import LegBook
from trunkline.pbx.hangup import Q850
from trunkline.pbx.port import Originate, TrunkSpec

_log = structlog.get_logger()

_ARRIVAL_TIMEOUT_S: Final = 5.0
_NOT_FOUND: Final = 404


async def originate(
    rest: AriRest, book: LegBook, app: str, order: Originate, trunk: TrunkSpec | None
) -> None:
    """Carries the order out, up to the dial.

    Args:
        rest: the PBX's interface.
        book: who waits for legs.
        app: our application's name.
        order: what to dial.
        trunk: as it was put; None leaves codecs to the PBX.

    Raises:
        InvalidField: the order can't be dialled.
        UpstreamError: retryable, as the leg was certainly not dialled; its watch stays silent.
    """
    endpoint, variables = dial_string(order.destination, order.trunk_id, trunk), channel_variables(order)
    # Without this the INVITE would offer 8 kHz first, whatever the trunk prefers.
    formats = {"formats": ",".join(trunk.codecs)} if trunk and not is_local(order.destination) else {}
    arrival = book.expect(order.leg_id)
    try:
        await rest.post(
            "/channels/create",
            endpoint=endpoint,
            app=app,
            appArgs="outbound",
            channelId=order.leg_id,
            body={"variables": variables},
            **formats,
        )
        book.mark_existing(order.leg_id)
        # Asterisk takes orders for a leg only once it told us of its arrival; before that it answers 409.
        if not await arrived(arrival):
            return
        if order.bridge_id is not None:
            await rest.post(f"/bridges/{segment(order.bridge_id)}/addChannel", channel=order.leg_id)
    except UpstreamError as error:
        await _withdraw(rest, book, order.leg_id, error)
    finally:
        book.stop_expecting(order.leg_id)
    await _dial(rest, book, order)


async def _dial(rest: AriRest, book: LegBook, order: Originate) -> None:
    try:
        await rest.post(f"/channels/{segment(order.leg_id)}/dial", timeout=order.ring_timeout_s)
    except AriError as error:
        # Not found: the leg ended before it was dialled, which its event tells.
        if error.http_status != _NOT_FOUND:
            await _withdraw(rest, book, order.leg_id, error)
    except PbxUnreachable as error:
        if error.retryable:
            await _withdraw(rest, book, order.leg_id, error)
        _log.warning("dial not confirmed", leg_id=order.leg_id, error=error.message)
        await drop(rest, order.leg_id)


async def arrived(arrival: asyncio.Future[bool]) -> bool:
    """Waits until a leg entered our application; False when it ended before.

    Raises:
        UpstreamError: neither happened in time.
    """
    try:
        async with asyncio.timeout(_ARRIVAL_TIMEOUT_S):
            return await arrival
    except TimeoutError:
        raise UpstreamError("The PBX made the leg but did not hand it over.") from None


async def drop(rest: AriRest, leg_id: LegId) -> None:
    """Ends a leg that nobody shall hear of any more. Never raises: what is left is found by the sweep for orphans."""
    try:
        await rest.delete(f"/channels/{segment(leg_id)}", reason_code=Q850.NORMAL_CLEARING.value)
    except UpstreamError as error:
        _log.warning("leg not dropped", leg_id=leg_id, error=error.message)


async def _withdraw(rest: AriRest, book: LegBook, leg_id: LegId, error: UpstreamError) -> NoReturn:
    book.discard(leg_id)
    await drop(rest, leg_id)
    raise UpstreamError(error.message, retryable=True, code=error.code) from error
