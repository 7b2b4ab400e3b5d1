"""Commands to a call that is up: each one handed over at once, its effect seen in the call."""

from __future__ import annotations

from trunkline.calls.dial_policy import DialPolicy, check_destination
from trunkline.calls.live import LiveCall
from trunkline.calls.requests import (
    CancelTransfer,
    ControlCommand,
    EndCall,
    Hold,
    InjectContext,
    Mute,
    Resume,
    Say,
    SendDtmf,
    Transfer,
    Unmute,
)
from trunkline.calls.table import State
from trunkline.core.errors import CallerError, Conflict, InvalidField
from trunkline.core.numbers import parse_transfer_target
from trunkline.pbx.port import Pbx

_BEFORE_ANSWER = frozenset({State.DIALLING, State.RINGING, State.EARLY_MEDIA})
_WITH_ASSISTANT = frozenset({State.TALKING})


async def carry_out(command: ControlCommand, call: LiveCall, pbx: Pbx, policy: DialPolicy) -> None:
    """Hands one command to a call.

    Raises:
        CallerError: 400, the call is not in progress.
        Conflict: 409, the call is with a human or in a transfer, so the assistant can't do it.
        InvalidField: a transfer target that may not be dialled.
    """
    _check_in_progress(call)
    match command:
        case EndCall(message=message):
            _end(call, message)
        case CancelTransfer():
            if not call.cancel_transfer():
                raise Conflict("There is no transfer under way that could be cancelled.", code="no_transfer")
        case SendDtmf(digits=digits):
            await pbx.send_digits(call.order.leg_id, digits)
        case Mute():
            await pbx.mute(call.order.leg_id)
        case Unmute():
            await pbx.unmute(call.order.leg_id)
        case _:
            _check_with_assistant(call)
            await _to_assistant(command, call, pbx, policy)
    if not call.journal.closed:
        call.journal.tell("control", {"type": command.type})


async def _to_assistant(
    command: InjectContext | Say | Transfer | Hold | Resume, call: LiveCall, pbx: Pbx, policy: DialPolicy
) -> None:
    match command:
        case InjectContext(content=content, trigger_response=trigger):
            await call.conversation.inject(content, trigger_response=trigger)
        case Say(content=content, end_after=end_after):
            await call.conversation.say(content, end_after=end_after)
        case Hold():
            call.conversation.pause()
            await pbx.hold(call.order.leg_id)
        case Resume():
            await pbx.resume(call.order.leg_id)
            call.conversation.resume()
        case Transfer():
            _transfer(command, call, policy)


def _end(call: LiveCall, message: str | None) -> None:
    if message and call.state in _WITH_ASSISTANT:
        call.end_after(message, "api_end_call")
    else:
        call.end("api_end_call")


def _transfer(command: Transfer, call: LiveCall, policy: DialPolicy) -> None:
    if command.mode != "blind":
        raise InvalidField(
            "mode",
            f"mode {command.mode} is not supported by this version; use blind.",
            code="unsupported_mode",
        )
    check_destination(parse_transfer_target(command.destination), policy)
    call.transfer(
        call.transfer_request(
            command.destination,
            command.message,
            ring_timeout_s=command.timeout_seconds,
            caller_id=command.caller_id,
            fallback_message=command.fallback_message,
        )
    )


def _check_in_progress(call: LiveCall) -> None:
    if call.state in _BEFORE_ANSWER:
        raise CallerError(
            "The call is not in progress yet: it was not answered.",
            title="Call is not in progress",
            code="not_in_progress",
        )
    if call.state in {State.ENDING, State.ENDED}:
        raise CallerError(
            "The call is not in progress any more.", title="Call is not in progress", code="not_in_progress"
        )


def _check_with_assistant(call: LiveCall) -> None:
    if call.state is State.TRANSFERRING:
        raise Conflict("The call is being transferred; cancel the transfer first.", code="transferring")
    if call.state is State.HANDED_OVER:
        raise Conflict("The call was transferred: the assistant is no longer part of it.", code="transferred")
