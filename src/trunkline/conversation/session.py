"""One call's talk: wires the caller's audio, the turn machine, the replies and the call together.

Everything that happens becomes an event of the turn machine (`floor.py`), in one queue and one order; what the machine wants
done is done here, at once. Nothing in this file decides who may speak.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, Final

import structlog

from trunkline.audio.formats import AudioFormat
from trunkline.conversation import turn_events as turn
from trunkline.conversation.agenda import Agenda, Wanted
from trunkline.conversation.caller_audio import CallerAudio
from trunkline.conversation.ear import Ear
from trunkline.conversation.floor import Floor
from trunkline.conversation.keys import KeyCollector
from trunkline.conversation.plan import CallSide, ConversationEngines, ConversationPlan
from trunkline.conversation.replies import Replies, settle
from trunkline.conversation.reply import Reply
from trunkline.conversation.silence import GiveUp, Prompt, after_silence, wait_s
from trunkline.conversation.tasks import OwnedTasks
from trunkline.conversation.timers import Timers
from trunkline.conversation.tool_use import EndCall, TransferCall
from trunkline.conversation.turn import IllegalSignalError, State
from trunkline.core.clock import Clock
from trunkline.core.errors import TrunklineError
from trunkline.engines.port import Transcript
from trunkline.pbx.port import MediaChannel

_log = structlog.get_logger()
_GAP_CHECK_S: Final = 0.1
_WE_ARE_HEARD: Final = frozenset({State.SPEAKING, State.OVERLAP, State.CLOSING})
_WANTED: Final = frozenset({"reply_wanted", "farewell_wanted"})
_SILENCE: Final = "silence"
_GAP: Final = "gap"
_TURN: Final = "turn"


class Conversation:
    """One talk. A `MediaSink` for the call's audio; made inside the running loop, ended by `stop`."""

    def __init__(
        self,
        plan: ConversationPlan,
        *,
        engines: ConversationEngines,
        audio: AudioFormat,
        call: CallSide,
        clock: Clock,
    ) -> None:
        self._plan = plan
        self._call = call
        self._clock = clock
        self._tasks = OwnedTasks("conversation")
        self._floor = Floor(plan.turn_taking)
        self._caller = CallerAudio(audio, engines.detector)
        self._ear = Ear(
            engines.ears,
            audio.rate_hz,
            plan.language,
            hints=plan.hints,
            sink=self,
            clock=clock,
            on_failed=self.on_engine_failed,
        )
        self._replies = Replies(
            plan, engines, audio, call=call, clock=clock, spawn=self._tasks.spawn, listener=self
        )
        self._timers = Timers()
        self._events: deque[turn.Event] = deque()
        self._agenda = Agenda(self._replies)
        self._greeting: Reply | None = None
        self._keys = KeyCollector(self._timers, self._hand_in_keys)
        self._silent_attempts = 0
        self._is_started = False
        self._is_suspended = False
        self._is_stopped = False

    # --- the call's wishes --------------------------------------------------------------------------------------------

    async def prepare(self) -> None:
        """While it rings: opens the ear and makes the greeting's sound, so that both are there at the answer."""
        if self._is_stopped:
            return
        self._make_greeting()
        self._tasks.spawn(self._open_ear(), "ear")

    def attach(self, media: MediaChannel) -> None:
        """Speaks on this channel from now on; again with a new one after a loss."""
        self._replies.speaker.attach(media)

    def start(self) -> None:
        """The call was answered: the greeting goes out at once, the caller is listened to."""
        if self._is_started or self._is_stopped:
            return
        self._is_started = True
        now = self._clock.monotonic()
        self._replies.answered_s = now
        self._make_greeting()
        if not self._ear.is_wanted:
            self._tasks.spawn(self._open_ear(), "ear")
        if self._greeting is not None:
            greeting, self._greeting = self._greeting, None
            greeting.latency.origin_s = greeting.latency.answered_s = now
            self._agenda.add_first(Wanted("greeting", now, prepared=greeting))
        self._use_free_floor()

    async def say(self, text: str, *, end_after: bool = False) -> None:
        """Says `text` once the floor is free; with `end_after` it is the last thing said, whatever the caller does."""
        self._want(Wanted("say", self._clock.monotonic(), text, is_last=end_after))

    async def say_and_wait(self, text: str, timeout_s: float) -> bool:
        """Says `text` once the floor is free; true when it was heard to its end within `timeout_s` seconds."""
        waiter: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        wanted = Wanted("say", self._clock.monotonic(), text, waiter=waiter)
        self._want(wanted)
        try:
            async with asyncio.timeout(timeout_s):
                return await waiter
        except TimeoutError:
            self._agenda.withdraw(wanted)
            return False

    async def inject(self, content: str, *, trigger_response: bool) -> None:
        """Tells the model something; with `trigger_response` it answers as soon as the floor is free."""
        now = self._clock.monotonic()
        line = self._replies.memory.add_context(content, self._replies.since_answer_ms(now))
        self._call.tell("transcript", line.as_json())
        if trigger_response:
            self._want(Wanted("injected", now))

    def pause(self) -> None:
        """Hold or transfer: nobody is listened to, nothing is said; what waits to be said waits on."""
        if self._is_suspended or self._is_stopped or self._floor.state in {State.CLOSING, State.CLOSED}:
            return
        self._is_suspended = True
        self._handle(turn.Told(self._clock.monotonic(), "suspend"))
        self._caller.reset()

    def resume(self) -> None:
        """Listens and speaks again. No effect where nothing was paused."""
        if self._is_suspended and not self._is_stopped:
            self._is_suspended = False
            self._handle(turn.Told(self._clock.monotonic(), "resume"))

    async def stop(self) -> None:
        """Silence, and everything put away. Idempotent; never raises."""
        if self._is_stopped:
            return
        self._is_stopped = True
        self._handle(turn.Told(self._clock.monotonic(), "close"))
        self._timers.cancel_all()
        self._agenda.clear()
        await self._replies.speaker.flushed()
        await self._tasks.end()
        await self._ear.close()

    def transcript(self) -> list[dict[str, Any]]:
        """What was said and heard so far: `{role, content, start_ms, end_ms, interrupted}`, times since the answer."""
        return [line.as_json() for line in self._replies.memory.lines()]

    def latencies(self) -> list[dict[str, Any]]:
        """The stage times of every reply so far, in milliseconds."""
        return self._replies.latencies()

    # --- the line (MediaSink) -----------------------------------------------------------------------------------------

    def on_audio(self, frames: bytes) -> None:
        """What the caller said; before the answer it is ignored."""
        if not self._is_started or self._is_stopped:
            return
        now = self._clock.monotonic()
        self._call.on_caller_audio(frames, now)
        if self._is_suspended:
            return
        for event in self._caller.push(frames, now):
            self._handle(event)

    def on_mark(self, mark_id: str) -> None:
        """The PBX has played up to a mark."""
        self._replies.speaker.on_mark(mark_id)

    def on_flow(self, *, paused: bool) -> None:
        """The PBX is full, or has room again."""
        self._replies.speaker.on_flow(paused=paused)

    def on_digit(self, digit: str) -> None:
        """A key; keys become a turn of the caller after a pause, or at once at `#`."""
        if not self._is_started or self._is_suspended or self._is_stopped:
            return
        self._keys.press(digit)

    def on_lost(self, reason: str) -> None:
        """The channel is gone; what is being said waits for the next one."""
        _log.warning("media lost", reason=reason)
        if not self._is_stopped:
            self._replies.speaker.lost()

    # --- the ear (TranscriptSink) -------------------------------------------------------------------------------------

    def on_transcript(self, transcript: Transcript) -> None:
        """Words of the caller."""
        if self._is_stopped or self._is_suspended:
            return
        text = transcript.text.strip()
        if text and not transcript.is_final:
            self._call.tell("partial", {"role": "user", "content": text})
        self._handle(
            turn.Understood(self._clock.monotonic(), transcript.utterance, text, transcript.is_final)
        )

    def on_transcription_failed(self, utterance: int, error: Exception) -> None:
        """No words; the talk goes on with what was understood before."""
        if not self._is_stopped:
            self.on_engine_failed("ears", error)
            self._handle(turn.TranscriptionFailed(self._clock.monotonic(), utterance))

    # --- the replies (ReplyListener) ----------------------------------------------------------------------------------

    def on_reply_started(self) -> None:
        """We are being heard."""
        if self._floor.state in {State.REPLYING, State.CLOSING}:
            self._handle(turn.Told(self._clock.monotonic(), "reply_started"))

    def on_reply_heard(self, reply: Reply) -> None:
        """All was heard: the floor is free, and what was to follow follows."""
        now = self._clock.monotonic()
        if isinstance(reply.after, EndCall):
            self._end(reply.after)
            return
        self._handle(turn.ReplyEnded(now, reply.utterance.last_heard_sentence()))
        if isinstance(reply.after, TransferCall):
            self._call.request_transfer(reply.after.destination, reply.after.message)
        if reply.is_last:
            self._call.request_end("api_end_call")

    def on_engine_failed(self, engine: str, error: Exception) -> None:
        """The talk goes on; the record knows."""
        # A foreign error may quote what was said; only our own sentences are fit for a record.
        reason = error.message if isinstance(error, TrunklineError) else type(error).__name__
        _log.warning("engine failed", engine=engine, error=reason)
        self._call.tell("engine_failed", {"engine": engine, "error": reason})

    # --- the turn machine ---------------------------------------------------------------------------------------------

    def _handle(self, event: turn.Event) -> None:
        """Events that come while one is being handled wait for their turn."""
        self._events.append(event)
        if len(self._events) > 1:
            return
        while self._events:
            try:
                self._handle_one(self._events[0])
            finally:
                self._events.popleft()

    def _handle_one(self, event: turn.Event) -> None:
        if (
            isinstance(event, turn.Told)
            and event.what in _WANTED
            and self._floor.state is not State.LISTENING
        ):
            return  # somebody was quicker; it waits for the next free floor
        before = self._floor.state
        try:
            actions = self._floor.handle(event)
        except IllegalSignalError as error:
            _log.error("turn machine refused", error=error.message)
            return
        for action in actions:
            self._act(action)
        self._follow(before, self._floor.state)

    def _follow(self, before: State, after: State) -> None:
        if after is not State.LISTENING:
            self._timers.cancel(_SILENCE)
        if (before in _WE_ARE_HEARD) is not (after in _WE_ARE_HEARD):
            self._caller.assistant_speaks(speaking=after in _WE_ARE_HEARD)
        if after is not before and after in {State.LISTENING, State.REPLYING}:
            self._caller.turn_is_over()
        if self._caller.is_voiced and _GAP not in self._timers.running:
            self._timers.start(_GAP, _GAP_CHECK_S, self._check_gap)
        self._hand_in_keys()

    def _act(self, action: turn.Action) -> None:  # noqa: PLR0912 (one line an action)
        match action:
            case turn.StartUtterance():
                self._ear.start(action.utterance, action.preroll_ms)
            case turn.ResumeUtterance():
                self._ear.resume(action.utterance)
            case turn.FinishUtterance():
                self._ear.finish(action.utterance)
            case turn.PrepareReply():
                self._prepare_reply(action)
            case turn.ReleaseReply():
                self._replies.release()
            case turn.WithholdReply():
                self._replies.withhold()
            case turn.DropReply():
                self._replies.drop()
            case turn.BargedIn():
                self._replies.barged_in(action.onset_s)
            case turn.CommitTurn():
                self._commit(action)
            case turn.NextReply():
                self._replies.take(self._agenda.take_next())
                self._replies.release()
            case turn.FreeFloor():
                self._use_free_floor()
            case turn.StartTimer():
                timer = action.timer
                self._timers.start(_TURN, action.seconds, lambda: self._time_is_up(timer))
            case turn.CancelTimer():
                self._timers.cancel(_TURN)

    def _time_is_up(self, timer: turn.Timer) -> None:
        self._handle(turn.TimerFired(self._clock.monotonic(), timer, self._caller.voiced_until_s))

    # --- the caller's turn --------------------------------------------------------------------------------------------

    def _prepare_reply(self, action: turn.PrepareReply) -> None:
        reply = self._replies.answer("turn", action.speech_end_s, action.text)
        reply.latency.note("final_text", self._clock.monotonic())
        self._replies.take(reply)

    def _commit(self, turn_taken: turn.CommitTurn) -> None:
        self._silent_attempts = 0
        replies = self._replies
        line = replies.memory.add_user(
            turn_taken.text,
            replies.since_answer_ms(turn_taken.speech_start_s),
            replies.since_answer_ms(turn_taken.speech_end_s),
        )
        self._call.tell("transcript", line.as_json())
        if replies.present is not None:
            replies.present.latency.note("end_of_turn", self._clock.monotonic())

    def _check_gap(self) -> None:
        """While the caller speaks: a phone that falls silent may send nothing at all."""
        now = self._clock.monotonic()
        for event in self._caller.passed(now):
            self._handle(event)
        if self._caller.is_voiced and not self._is_suspended:
            self._timers.start(_GAP, _GAP_CHECK_S, self._check_gap)

    def _hand_in_keys(self) -> None:
        if self._keys.are_whole and self._floor.takes_keys:
            self._handle(turn.KeysPressed(self._clock.monotonic(), f"Keys pressed: {self._keys.take()}"))

    # --- what we say ourselves ----------------------------------------------------------------------------------------

    def _make_greeting(self) -> None:
        if self._plan.greeting and self._greeting is None and not self._replies.present:
            self._greeting = self._replies.recital("greeting", self._plan.greeting, self._clock.monotonic())

    def _want(self, wanted: Wanted) -> None:
        if self._is_stopped or self._floor.state in {State.CLOSING, State.CLOSED}:
            settle(wanted.waiter, heard=False)
            return
        self._agenda.add(wanted)
        if self._floor.state is State.LISTENING:
            self._use_free_floor()

    def _use_free_floor(self) -> None:
        """Says what waits to be said; with nothing to say, the caller's silence begins to count."""
        if not self._is_started:
            return
        if self._agenda:
            what: turn.Plain = "farewell_wanted" if self._agenda.next_is_last else "reply_wanted"
            self._handle(turn.Told(self._clock.monotonic(), what))
        elif self._plan.silence is not None:
            self._timers.start(
                _SILENCE, wait_s(self._plan.silence, self._silent_attempts), self._break_silence
            )

    def _break_silence(self) -> None:
        assert self._plan.silence is not None
        now = self._clock.monotonic()
        match after_silence(self._plan.silence, self._silent_attempts):
            case Prompt(text):
                self._silent_attempts += 1
                self._want(Wanted("silence", now, text))
            case GiveUp(text):
                farewell = EndCall("silence_timeout")
                if text:
                    self._want(Wanted("silence", now, text, after=farewell))
                else:
                    self._end(farewell)

    def _end(self, farewell: EndCall) -> None:
        self._handle(turn.Told(self._clock.monotonic(), "close"))
        self._call.request_end(farewell.reason)

    async def _open_ear(self) -> None:
        ear = await self._ear.open()
        self._caller.open(ear)
        self._ear.catch_up()
