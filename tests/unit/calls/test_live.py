"""One call on the simulated PBX, in virtual time: every row of its table, every way it can end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs
from tests.faults.engines import ScriptedRoom
from tests.unit.conversation.virtual_time import LoopClock, run_virtual

from trunkline.audio.formats import ULAW_8K
from trunkline.calls.dial_policy import DialPolicy, check_destination
from trunkline.calls.ending import Wanted
from trunkline.calls.journal import CallJournal
from trunkline.calls.live import Ended, LiveCall
from trunkline.calls.order import CallOrder
from trunkline.calls.table import TABLE, Happening, State
from trunkline.conversation.plan import ConversationPlan
from trunkline.core.errors import UpstreamError
from trunkline.core.ids import BridgeId, CallId, LegId, OrganizationId, TrunkId
from trunkline.core.numbers import parse_transfer_target
from trunkline.engines.port import ChatMessage
from trunkline.pbx.hangup import Hangup, verdict
from trunkline.pbx.port import Originate, TrunkSpec
from trunkline.pbx.simulated.pbx import SimulatedPbx
from trunkline.pbx.simulated.sound import speech, tone
from trunkline.pbx.simulated.subscriber import Answer, HangUp, PlayEarly, Ring, Say, Subscriber, Wait, refuses

H, S = Happening, State
TRUNK = TrunkId("trunk")
CALLER, HUMAN = "+31201000001", "+31201000013"
CLEARED = verdict(16, None)

UP = Subscriber((Answer(), Wait(300)))
RINGER = Subscriber((Ring(),))
QUICK = Subscriber((Answer(), Wait(2), HangUp()))


class Pbx(SimulatedPbx):
    """The simulated PBX with faults, writing down what it is asked for.

    Attributes:
        asked: verbs in order.
        refuses: verbs that raise.
        is_deaf: hang-ups are taken and forgotten.
        quality_s: how long figures take.
    """

    def __init__(self, subscribers: dict[str, Subscriber]) -> None:
        super().__init__(subscribers, clock=LoopClock(), recordings=Path("unused"))
        self.asked: list[str] = []
        self.refuses: set[str] = set()
        self.is_deaf = False
        self.quality_s = 0.0
        self.media_s = 0.0

    def _ask(self, verb: str) -> None:
        self.asked.append(verb)
        if verb in self.refuses:
            raise UpstreamError(f"The PBX refuses to {verb}.")

    def watch(self, leg_id: LegId) -> Any:
        self._ask("watch")
        return super().watch(leg_id)

    async def originate(self, order: Originate) -> None:
        self._ask("originate")
        await super().originate(order)

    async def hang_up(self, leg_id: LegId, *cause: Any) -> None:
        self._ask("hang_up")
        if not self.is_deaf:
            await super().hang_up(leg_id, *cause)

    async def open_media(self, *wishes: Any) -> Any:
        self._ask("open_media")
        await asyncio.sleep(self.media_s)
        return await super().open_media(*wishes)

    async def join(self, bridge_id: BridgeId, leg_id: LegId) -> None:
        self._ask("join")
        await super().join(bridge_id, leg_id)

    async def leg_quality(self, leg_id: LegId) -> Any:
        self._ask("leg_quality")
        await asyncio.sleep(self.quality_s)
        return await super().leg_quality(leg_id)

    def kinds(self) -> list[str]:
        """The roles of the legs that are up."""
        return sorted(leg_id.split("-")[2] for leg_id in self._switch.legs)


class SlowRecording:
    """A recording whose file takes long to close."""

    path = None

    def __init__(self, seconds: float, log: list[str]) -> None:
        self.seconds = seconds
        self.log = log

    def start(self, answered_s: float) -> None: ...

    def on_caller(self, frames: bytes, at_s: float) -> None: ...

    def on_assistant(self, frames: bytes, at_s: float) -> None: ...

    async def hand_to_pbx(self, pbx: Any, leg_id: LegId) -> None:
        self.log.append("handed to the PBX")

    async def take_back(self, pbx: Any) -> None:
        self.log.append("taken back")

    async def close(self, pbx: Any) -> None:
        await asyncio.sleep(self.seconds)
        self.log.append("closed")


@dataclass
class Desk:
    """A call, its PBX, and what it told its owner."""

    pbx: Pbx
    call: LiveCall
    log: list[str]
    running: asyncio.Task[Ended] = field(init=False)

    async def until(self, *states: State, within_s: float = 60.0) -> None:
        async with asyncio.timeout(within_s):
            while self.call.state not in states:
                await asyncio.sleep(0.01)

    async def told(self, kind: str, within_s: float = 60.0) -> None:
        async with asyncio.timeout(within_s):
            while kind not in self.news():
                await asyncio.sleep(0.01)

    async def ended(self, within_s: float = 60.0) -> Ended:
        async with asyncio.timeout(within_s):
            return await self.running

    def news(self) -> list[str]:
        return [event.type for event in self.call.journal._events]

    def said(self) -> list[str]:
        return [
            line["content"] for line in self.call.conversation.transcript() if line["role"] == "assistant"
        ]

    @property
    def target(self) -> LegId:
        return next(leg_id for leg_id in self.pbx._switch.legs if "-target-" in leg_id)

    def transfer(self, **wishes: Any) -> None:
        self.call.transfer(self.call.transfer_request(HUMAN, None, **wishes))


def order(**changes: Any) -> CallOrder:
    fields: dict[str, Any] = {
        "call_id": CallId("call-outbound-abc123abc123"),
        "organization_id": OrganizationId("org"),
        "leg_id": LegId("tl-abc-caller-1"),
        "bridge_id": BridgeId("tl-abc-bridge-1"),
        "destination": CALLER,
        "caller_id": "+31101000000",
        "trunk_id": TRUNK,
        "transfer_trunk_id": TRUNK,
        "ring_timeout_s": 30,
        "max_duration_s": 600,
        "transfer_timeout_s": 20,
        "audio": ULAW_8K,
        "plan": ConversationPlan(greeting="Hello.", messages=(ChatMessage("system", "Be kind."),)),
    }
    return CallOrder(**(fields | changes))


@asynccontextmanager
async def call_to(
    caller: Subscriber,
    human: Subscriber = RINGER,
    *,
    recording: Any = None,
    before: Callable[[Pbx], None] = lambda pbx: None,
    **changes: Any,
) -> AsyncIterator[Desk]:
    """A call under way; at the end it must be over with nothing left, and nothing may have gone wrong inside."""
    pbx, log, ids = Pbx({CALLER: caller, HUMAN: human}), [] if recording is None else recording.log, count(1)
    await pbx.start()
    await pbx.put_trunk(TrunkSpec(TRUNK, "carrier.example", 5060))
    before(pbx)
    told = order(**changes)

    async def answered(at: Any) -> None:
        log.append("answered")

    call = LiveCall(
        told,
        pbx=pbx,
        engines=ScriptedRoom().engines(ULAW_8K),
        recording=recording,
        journal=CallJournal(told.organization_id, told.call_id, LoopClock()),
        clock=LoopClock(),
        new_leg_id=lambda role: LegId(f"tl-abc-{role}-{next(ids)}"),
        may_dial=lambda to: check_destination(parse_transfer_target(to), DialPolicy(("+",), ("+900",))),
        on_answered=answered,
        on_line_free=lambda: log.append("line free"),
    )
    desk = Desk(pbx, call, log)
    desk.running = asyncio.create_task(call.run(), name="call")
    try:
        yield desk
        call.end("api_end_call")
        await desk.ended(120)
        assert call.state is S.ENDED
        assert log.count("line free") == 1
        if not pbx.is_deaf and not pbx.refuses and pbx._is_up:
            assert (pbx.kinds(), pbx._switch.bridges) == ([], {})
    finally:
        desk.running.cancel()
        await asyncio.gather(desk.running, return_exceptions=True)
        await pbx.close()


def play(scene: Callable[[], Awaitable[None]], *, failing: bool = False) -> None:
    """Runs a scene in virtual time; without `failing` nothing of ours may fail in it."""
    with capture_logs() as logs:
        run_virtual(scene())  # type: ignore[arg-type]
    if not failing:
        assert [entry for entry in logs if entry["log_level"] == "error"] == []


# --- the table ----------------------------------------------------------------------------------------------------------

WAYS: dict[State, Subscriber] = {
    S.DIALLING: Subscriber((Wait(300),)),
    S.RINGING: RINGER,
    S.EARLY_MEDIA: Subscriber((PlayEarly(tone(425, 1.0)),)),
}


async def reach(desk: Desk, state: State) -> None:
    """Brings the call there by what happens on the PBX and what it is asked for."""
    call = desk.call
    await call.dialled()
    if state in WAYS:
        await desk.until(state)
        return
    await desk.until(S.TALKING)
    if state is S.ENDING:
        desk.pbx.is_deaf = True
        call.end("api_end_call")
    elif state is not S.TALKING:
        desk.transfer()
        await desk.until(S.TRANSFERRING)
        async with asyncio.timeout(5):
            while "target" not in desk.pbx.kinds():
                await asyncio.sleep(0.01)
        if state is S.HANDED_OVER:
            desk.pbx.party(desk.target).answer()
    await desk.until(state)


def make_happen(desk: Desk, happening: Happening) -> None:
    """Through the PBX where the call's own parts must know of it; else as news in its mailbox."""
    call, in_transfer = desk.call, desk.call.state is S.TRANSFERRING
    if happening is H.TRANSFER_COMPLETED and in_transfer:
        desk.pbx.party(desk.target).answer()
    elif happening is H.TRANSFER_FAILED and in_transfer:
        desk.pbx._end(desk.target, verdict(17, 486))
    elif happening is H.MEDIA_LOST and call.state not in {S.ENDING, S.HANDED_OVER}:
        cut_media(desk)
    elif happening is H.LEG_ENDED and call.state is not S.ENDING:
        desk.pbx._end(call.order.leg_id, CLEARED)
    else:
        request = call.transfer_request(HUMAN, None)
        detail = {
            H.LEG_ENDED: CLEARED,
            H.END_WANTED: Wanted("api_end_call"),
            H.TRANSFER_WANTED: request,
            H.TRANSFER_COMPLETED: request,
            H.TRANSFER_FAILED: request,
            H.TARGET_ENDED: CLEARED,
            H.MEDIA_LOST: "cut",
        }
        call._post(happening, detail.get(happening))


@pytest.mark.parametrize(
    ("state", "happening"), TABLE, ids=[f"{state.value} and {what.name.lower()}" for state, what in TABLE]
)
def test_every_row_of_the_table_leads_on(state: State, happening: Happening):
    """From each state, reached by real means, each happening brings the table's next state and at last one end."""

    async def scene() -> None:
        async with call_to(WAYS.get(state, UP)) as desk:
            await reach(desk, state)
            make_happen(desk, happening)
            after = TABLE[state, happening][0]
            # A hang-up is confirmed at once here, so `ENDING` may have passed.
            await desk.until(*({after, S.ENDED} if after is S.ENDING else {after}), within_s=5)

    play(scene)


# --- before the answer --------------------------------------------------------------------------------------------------


def test_the_leg_is_watched_before_it_is_dialled():
    """No event can be missed."""

    async def scene() -> None:
        async with call_to(QUICK) as desk:
            await desk.ended()

        assert desk.pbx.asked.index("watch") < desk.pbx.asked.index("originate")

    play(scene)


@pytest.mark.parametrize("verb", ["open_media", "originate"])
def test_a_pbx_that_does_not_take_the_call_ends_it_at_once(verb: str):
    """Whoever waits for the dial is told why, and the record does not blame a lost PBX."""

    async def scene() -> None:
        async with call_to(UP, before=lambda pbx: pbx.refuses.add(verb)) as desk:
            with pytest.raises(UpstreamError, match="refuses"):
                await desk.call.dialled()
            ended = await desk.ended(1)

            assert ("failed", "dial_failed", f"The PBX refuses to {verb}.") == (
                ended.verdict.status,
                ended.verdict.end_reason,
                ended.verdict.error,
            )
            assert (None, 0.0, "unknown") == (ended.answered_at, ended.duration_seconds, ended.hangup.cause)
            assert desk.pbx.kinds() == []

    play(scene)


def test_a_refusal_of_the_far_side_is_its_own_word():
    """A busy line: failed, with what the carrier said."""

    async def scene() -> None:
        async with call_to(refuses(486)) as desk:
            ended = await desk.ended()

        assert ("failed", "busy") == (ended.verdict.status, ended.verdict.end_reason)
        assert ended.hangup == Hangup(17, 486, "user_busy")

    play(scene)


def test_the_caller_hangs_up_while_it_rings():
    """A leg that clears before the answer was not answered."""

    async def scene() -> None:
        async with call_to(Subscriber((Ring(), Wait(3), HangUp()))) as desk:
            ended = await desk.ended()

        assert ("failed", "no_answer", []) == (ended.verdict.status, ended.verdict.end_reason, ended.messages)

    play(scene)


# --- times --------------------------------------------------------------------------------------------------------------


def test_the_line_is_free_before_the_recording_is_closed_and_the_duration_ends_with_the_talk():
    """A slow disk costs nobody a line, and no caller a second."""

    async def scene() -> None:
        async with call_to(QUICK, recording=SlowRecording(5, [])) as desk:
            ended = await desk.ended()

        assert desk.log == ["answered", "line free", "closed"]
        assert ended.duration_seconds == pytest.approx(2, abs=0.1)
        assert ended.answered_at is not None
        assert (ended.ended_at - ended.answered_at).total_seconds() == pytest.approx(2, abs=0.1)

    play(scene)


def test_the_longest_duration_counts_from_the_answer():
    """However long it rang."""

    async def scene() -> None:
        async with call_to(Subscriber((Ring(), Wait(20), Answer())), max_duration_s=10) as desk:
            ended = await desk.ended()

        assert ("ended", "max_duration") == (ended.verdict.status, ended.verdict.end_reason)
        assert ended.duration_seconds == pytest.approx(10, abs=0.5)

    play(scene)


def test_figures_that_can_not_be_had_cost_nothing():
    """Refused or slow: the call goes on, and a hang-up waits half a second at most."""

    async def scene() -> None:
        async with call_to(UP, before=lambda pbx: pbx.refuses.add("leg_quality")) as desk:
            await asyncio.sleep(30)
            assert desk.pbx.asked.count("leg_quality") == 3
            desk.pbx.refuses.clear()
            desk.pbx.quality_s = 60
            desk.call.end("api_end_call")
            ended = await desk.ended(1)

            assert ("api_end_call", None) == (ended.verdict.end_reason, ended.media["mos"])

    play(scene)


def test_a_hang_up_that_is_never_confirmed_is_not_waited_for():
    """Eight seconds, then the leg counts as lost; the reason stays ours."""

    async def scene() -> None:
        async with call_to(UP) as desk:
            await desk.until(S.TALKING)
            desk.pbx.is_deaf = True
            desk.call.end("api_end_call")
            ended = await desk.ended(12)

            assert ("ended", "api_end_call") == (ended.verdict.status, ended.verdict.end_reason)
            assert 7.5 < ended.duration_seconds < 9.5

    play(scene)


# --- failures inside ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", ["prepare", "start"])
def test_a_defect_of_ours_ends_the_call_as_our_failure(part: str, monkeypatch: pytest.MonkeyPatch):
    """At the dial or at the answer: hung up, told as an error, nothing left."""

    def fail(*_: Any) -> Any:
        raise ZeroDivisionError

    async def scene() -> None:
        monkeypatch.setattr(f"trunkline.calls.live.Conversation.{part}", fail)
        async with call_to(UP) as desk:
            ended = await desk.ended(5)

            assert ("failed", "error") == (ended.verdict.status, ended.verdict.end_reason)
            assert ended.verdict.error

    play(scene, failing=True)


# --- audio and the PBX --------------------------------------------------------------------------------------------------


def cut_media(desk: Desk) -> None:
    desk.pbx.cut_media(next(leg_id for leg_id in desk.pbx._switch.legs if "-media-" in leg_id))


def test_lost_audio_comes_back_under_a_new_id():
    """The caller stays in the bridge and hears us again."""

    async def scene() -> None:
        async with call_to(UP) as desk:
            await desk.until(S.TALKING)
            cut_media(desk)
            await asyncio.sleep(0.1)
            heard = await desk.call.conversation.say_and_wait("I am back.", 10)

            assert heard
            assert ["caller", "media"] == desk.pbx.kinds()

    play(scene)


def test_audio_that_stays_lost_ends_the_call():
    """Three tries; then the caller is not left in silence."""

    async def scene() -> None:
        async with call_to(UP) as desk:
            await desk.until(S.TALKING)
            desk.pbx.refuses.add("open_media")
            cut_media(desk)
            ended = await desk.ended(5)

            assert ("failed", "error", "normal_clearing") == (
                ended.verdict.status,
                ended.verdict.end_reason,
                ended.hangup.cause,
            )

    play(scene)


def test_audio_that_returns_too_late_does_not_listen_in():
    """The caller was handed over while we were still connecting: we are not in the bridge with them."""

    async def scene() -> None:
        async with call_to(UP) as desk:
            await reach(desk, S.TRANSFERRING)
            desk.pbx.media_s = 2.0
            cut_media(desk)
            await asyncio.sleep(0.1)
            desk.pbx.party(desk.target).answer()
            await desk.until(S.HANDED_OVER)
            await asyncio.sleep(5)

            assert ["caller", "target"] == desk.pbx.kinds()

    play(scene)


@pytest.mark.parametrize("away_s", [0.5, 5.0, 60.0], ids=["back at once", "back soon", "gone for good"])
def test_a_pbx_that_dies_is_told_as_lost_however_long_it_is_away(away_s: float):
    """Lost audio is no failure of ours where the whole PBX is away; the end comes with its return, or after fifteen seconds."""

    async def scene() -> None:
        async with call_to(UP) as desk:
            await desk.until(S.TALKING)
            await asyncio.sleep(2)
            desk.pbx.kill()
            asyncio.get_running_loop().call_later(away_s, desk.pbx.restart)
            ended = await desk.ended(30)

            assert ("failed", "pbx_lost") == (ended.verdict.status, ended.verdict.end_reason)
            assert ended.hangup == Hangup(0, None, "pbx_lost")
            assert ended.duration_seconds == pytest.approx(2 + min(away_s, 15), abs=0.5)
            await asyncio.sleep(60)

    play(scene)


# --- transfer -----------------------------------------------------------------------------------------------------------


def test_a_human_takes_over_and_hangs_up_first():
    """`transferred`: we are out of the bridge, the PBX records, and the caller is hung up with the human."""
    human = Subscriber((Ring(), Wait(2), Answer(), Wait(5), HangUp()))

    async def scene() -> None:
        async with call_to(UP, human, recording=SlowRecording(0, [])) as desk:
            await desk.until(S.TALKING)
            desk.transfer()
            await desk.until(S.HANDED_OVER)
            assert ["caller", "target"] == desk.pbx.kinds()
            ended = await desk.ended()

        assert ("ended", "transferred") == (ended.verdict.status, ended.verdict.end_reason)
        assert ended.transfer is not None
        assert ("completed", 16) == (ended.transfer["status"], ended.transfer["hangup"]["q850"])
        assert ["answered", "handed to the PBX", "line free", "closed"] == desk.log
        assert ["transferring", "transferred"] == [
            kind for kind in desk.news() if kind.startswith("transfer")
        ]

    play(scene)


def test_the_caller_hangs_up_first_after_the_hand_over():
    """The human is not left on the line."""

    async def scene() -> None:
        async with call_to(QUICK, UP) as desk:
            await desk.until(S.TALKING)
            desk.transfer()
            ended = await desk.ended()

            assert ("ended", "transferred") == (ended.verdict.status, ended.verdict.end_reason)
            assert desk.pbx.kinds() == []

    play(scene)


@pytest.mark.parametrize(
    ("human", "error"),
    [(refuses(486), "user_busy"), (RINGER, "no_answer"), (None, "The PBX refuses to join.")],
)
def test_a_transfer_that_fails_gives_the_caller_back(human: Subscriber | None, error: str):
    """Busy, unanswered, or not to be joined: the caller hears why, and the talk goes on."""

    async def scene() -> None:
        async with call_to(UP, human or UP, recording=SlowRecording(0, [])) as desk:
            await desk.until(S.TALKING)
            if human is None:
                desk.pbx.refuses.add("join")
            desk.transfer(fallback_message="Nobody is there.")
            await desk.told("transfer_failed")
            await asyncio.sleep(5)
            desk.pbx.refuses.clear()

            assert desk.said()[-1] == "Nobody is there."
            assert desk.call.transfer_record is not None
            assert ("failed", error) == tuple(desk.call.transfer_record[key] for key in ("status", "error"))
            assert S.TALKING is desk.call.state
            assert ["caller", "media"] == desk.pbx.kinds()
            assert "taken back" in desk.log

    play(scene)


def test_a_target_that_can_not_be_dialled_gives_the_caller_back():
    """The PBX refuses the second leg."""

    async def scene() -> None:
        async with call_to(UP) as desk:
            await desk.until(S.TALKING)
            desk.pbx.refuses.add("originate")
            desk.transfer()
            await desk.told("transfer_failed")
            desk.pbx.refuses.clear()

            assert desk.call.transfer_record is not None
            assert "The PBX refuses to originate." == desk.call.transfer_record["error"]

    play(scene)


def test_a_transfer_is_cancelled_once():
    """The target stops ringing, the caller stays; a second cancel finds nothing."""

    async def scene() -> None:
        async with call_to(UP) as desk:
            await reach(desk, S.TRANSFERRING)
            assert desk.call.cancel_transfer()
            await desk.until(S.TALKING)

            assert not desk.call.cancel_transfer()
            assert desk.call.transfer_record is not None
            assert "cancelled" == desk.call.transfer_record["status"]
            assert ["caller", "media"] == desk.pbx.kinds()

    play(scene)


def test_a_second_transfer_may_follow_a_failed_one():
    """The caller is joined with whom the second reaches."""

    async def scene() -> None:
        async with call_to(UP, RINGER) as desk:
            await reach(desk, S.TRANSFERRING)
            desk.call.cancel_transfer()
            await desk.until(S.TALKING)
            await reach(desk, S.HANDED_OVER)

            assert desk.call.transfer_record is not None
            assert "completed" == desk.call.transfer_record["status"]

    play(scene)


def test_a_forbidden_transfer_of_the_model_is_refused_and_told_to_it():
    """What the model says is input: the policy decides, the model hears so, the call goes on."""

    async def scene() -> None:
        async with call_to(UP) as desk:
            await desk.until(S.TALKING)
            await asyncio.sleep(2)
            desk.call.request_transfer("+9001234567", "One moment.")
            await asyncio.sleep(8)

            assert desk.call.state is S.TALKING
            assert "transferring" not in desk.news()
            assert any("refused" in line for line in desk.said())

    play(scene, failing=True)


def test_a_transfer_the_model_may_make_is_announced_first():
    """The announcement is heard to its end before the target is dialled."""

    async def scene() -> None:
        async with call_to(UP) as desk:
            await desk.until(S.TALKING)
            desk.call.request_transfer(HUMAN, "One moment please.")
            await desk.until(S.TRANSFERRING)
            async with asyncio.timeout(10):
                while "target" not in desk.pbx.kinds():
                    assert "One moment please." not in desk.said()[:-1]
                    await asyncio.sleep(0.01)

            assert "One moment please." == desk.said()[-1]

    play(scene)


def test_the_caller_s_speech_does_not_matter_after_the_end():
    """Wishes that come when the call is over are dropped without a word."""

    async def scene() -> None:
        async with call_to(Subscriber((Answer(), Say(speech(1.0)), HangUp()))) as desk:
            await desk.ended()
            desk.call.end("api_end_call")
            desk.transfer()
            desk.call.tell("transcript", {})

            assert not desk.call.cancel_transfer()

    play(scene)
