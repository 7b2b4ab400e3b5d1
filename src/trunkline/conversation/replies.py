"""The replies of one call, one at a time: made, played, stopped, ended and remembered as they were heard."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

from trunkline.audio.formats import AudioFormat
from trunkline.conversation.latency import ReplyKind, TurnLatency
from trunkline.conversation.memory import Memory, cut_to_heard
from trunkline.conversation.plan import CallSide, ConversationEngines, ConversationPlan
from trunkline.conversation.pronunciation import make_speakable
from trunkline.conversation.reply import Reply, ReplyWriter
from trunkline.conversation.speaker import Spawn, Speaker
from trunkline.conversation.synthesis import Synthesis
from trunkline.conversation.tool_use import ToolUse
from trunkline.conversation.utterance import Utterance
from trunkline.core.clock import Clock


class ReplyListener(Protocol):
    """Who is told what becomes of the present reply."""

    def on_reply_started(self) -> None:
        """Its first sound is on its way to the caller (again, where it went on after a stop)."""
        ...

    def on_reply_heard(self, reply: Reply) -> None:
        """Everything of it was heard; it is the present reply no more."""
        ...

    def on_engine_failed(self, engine: str, error: Exception) -> None:
        """An engine failed while it was made; the reply goes on without."""
        ...


class Replies:
    """Keeps at most one present reply. Its memory is the call's memory."""

    def __init__(
        self,
        plan: ConversationPlan,
        engines: ConversationEngines,
        audio: AudioFormat,
        *,
        call: CallSide,
        clock: Clock,
        spawn: Spawn,
        listener: ReplyListener,
    ) -> None:
        self.memory = Memory(plan.messages)
        self.speaker = Speaker(audio, plan.queue_ahead_ms, clock=clock, spawn=spawn, listener=self)
        self.answered_s = 0.0
        self._engines = engines
        self._audio = audio
        self._call = call
        self._clock = clock
        self._spawn = spawn
        self._listener = listener
        self._speakable = make_speakable(plan.pronunciation)
        self._writer = ReplyWriter(
            plan,
            engines,
            ToolUse(plan.tools, engines.tools, spawn=spawn),
            clock=clock,
            on_failed=listener.on_engine_failed,
        )
        self._present: Reply | None = None
        self._silencing: Reply | None = (
            None  # the caller barged in on it; the PBX has not confirmed silence yet
        )
        self._untold: Reply | None = None  # over, but its figures wait for that silence
        self._made = 0
        self._latencies: list[TurnLatency] = []

    @property
    def present(self) -> Reply | None:
        """The reply that is being made or heard."""
        return self._present

    def latencies(self) -> list[dict[str, Any]]:
        """Every reply of which something was sent, in order."""
        return [latency.as_json() for latency in self._latencies]

    # --- making -------------------------------------------------------------------------------------------------------

    def answer(self, kind: ReplyKind, origin_s: float, heard_now: str | None = None) -> Reply:
        """The model's reply to all that is remembered and to `heard_now`; withheld."""
        reply = self._new(kind, origin_s)
        reply.base = self.memory.messages(heard_now)
        reply.tasks.append(self._spawn(self._writer.answer(reply), "answer"))
        return reply

    def recital(self, kind: ReplyKind, text: str, origin_s: float) -> Reply:
        """A reply with given words; withheld."""
        reply = self._new(kind, origin_s)
        reply.tasks.append(self._spawn(self._writer.recite(reply, text), "recite"))
        return reply

    def _new(self, kind: ReplyKind, origin_s: float) -> Reply:
        self._made += 1
        utterance = Utterance(f"u{self._made}", self._audio)
        latency = TurnLatency(0, kind, origin_s, self.answered_s)
        synthesis = Synthesis(
            utterance,
            self._engines.voice,
            self._engines.phrases,
            speakable=self._speakable,
            on_audio=lambda: latency.note("first_audio", self._clock.monotonic()),
            on_failed=lambda error: self._listener.on_engine_failed("voice", error),
        )
        reply = Reply(utterance, synthesis, latency)
        reply.tasks.append(self._spawn(synthesis.run(), "synthesis"))
        return reply

    # --- the present reply --------------------------------------------------------------------------------------------

    def take(self, reply: Reply) -> None:
        """Makes it the present reply."""
        assert self._present is None
        self._present = reply

    def release(self) -> None:
        """The present reply may be heard, from where it stopped."""
        reply = self._present
        assert reply is not None
        reply.released.set()
        reply.is_playing = True
        self.speaker.play(reply.utterance)

    def withhold(self) -> None:
        """Stops the present reply at once; it may be released again."""
        reply = self._present
        if reply is not None and reply.is_playing:
            reply.is_playing = False
            self.speaker.stop()

    def drop(self) -> None:
        """The present reply, if there is one, is over; what was heard of it is remembered."""
        reply = self._present
        if reply is None:
            return
        self.withhold()
        self._present = None
        self._close(reply, was_cut=True)

    def barged_in(self, onset_s: float) -> None:
        """The caller takes the floor from the present reply, which is about to be stopped."""
        if self._present is not None and self._present.is_playing:
            self._silencing = self._present
            self._silencing.latency.barge_in_s = onset_s

    def _close(self, reply: Reply, *, was_cut: bool) -> None:
        for task in reply.tasks:
            task.cancel()
        if reply.released.is_set():
            self._remember(reply, was_cut=was_cut)
        if reply.waiter is not None and not reply.waiter.done():
            reply.waiter.set_result(not was_cut)
        if self._silencing is reply:
            self._untold = reply
        else:
            self._tell_turn(reply)

    def _remember(self, reply: Reply, *, was_cut: bool) -> None:
        heard = reply.utterance.heard_text()
        line = self.memory.add_reply(
            cut_to_heard(reply.entries, heard),
            heard,
            self.since_answer_ms(reply.heard_from_s or reply.heard_to_s),
            self.since_answer_ms(reply.heard_to_s),
            interrupted=was_cut,
        )
        if line is not None:
            self._call.tell("transcript", line.as_json())

    def _tell_turn(self, reply: Reply) -> None:
        if reply.latency.was_sent:
            self._call.tell("turn", reply.latency.as_json())

    def since_answer_ms(self, at_s: float) -> int:
        """Monotonic seconds as milliseconds since the answer."""
        return max(0, round((at_s - self.answered_s) * 1000))

    # --- the speaker's news (SpeakerListener) -------------------------------------------------------------------------

    def on_sending(self, utterance: Utterance) -> None:
        """The first frame went out."""
        reply = self._present
        if reply is None or reply.utterance is not utterance:
            return
        if not reply.latency.was_sent:
            reply.latency.turn = len(self._latencies)
            self._latencies.append(reply.latency)
        reply.latency.note("first_frame", self._clock.monotonic())
        self._listener.on_reply_started()

    def on_playing(self, utterance: Utterance) -> None:
        """The PBX has played it."""
        reply = self._present
        if reply is not None and reply.utterance is utterance:
            reply.latency.note("first_mark", self._clock.monotonic())

    def on_played(self, frames: bytes, at_s: float) -> None:
        """Goes into the recording and sets the times of the reply's line."""
        self._call.on_assistant_audio(frames, at_s)
        reply = self._present
        if reply is not None:
            if reply.heard_from_s is None:
                reply.heard_from_s = at_s
            reply.heard_to_s = at_s + self._audio.duration_ms(len(frames)) / 1000

    def on_finished(self, utterance: Utterance) -> None:
        """All heard."""
        reply = self._present
        if reply is None or reply.utterance is not utterance:
            return
        self._present = None
        reply.is_playing = False
        self._close(reply, was_cut=False)
        self._listener.on_reply_heard(reply)

    def on_silent(self) -> None:
        """The PBX confirmed the stop."""
        reply, self._silencing = self._silencing, None
        if reply is None:
            return
        reply.latency.silent_s = self._clock.monotonic()
        self._call.tell(
            "barge_in", {"stop_ms": reply.latency.barge_in_stop_ms, "heard": reply.utterance.heard_text()}
        )
        if self._untold is reply:
            self._untold = None
            self._tell_turn(reply)


def settle(waiter: asyncio.Future[bool] | None, *, heard: bool) -> None:
    """Tells whoever waits, once."""
    if waiter is not None and not waiter.done():
        waiter.set_result(heard)
