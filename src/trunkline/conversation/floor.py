"""The turn machine: what happened, with its times and words, in; what to do, with its times and words, out.

It judges by `endpointing` and `interruption`, looks the judgement up in `turn.TABLE`, and fills the steps in. Times are
monotonic seconds; timers are actions that come back as `TimerFired`. Starting a timer replaces the one that ran.
"""

from __future__ import annotations

from typing import Final

from trunkline.audio.formats import PTIME_MS
from trunkline.conversation.endpointing import wait_s
from trunkline.conversation.interruption import (
    count_words,
    is_backchannel,
    stops_us_by_voice,
    stops_us_by_words,
)
from trunkline.conversation.turn import Signal, State, Step, step
from trunkline.conversation.turn_events import (
    Action,
    BargedIn,
    CancelTimer,
    CommitTurn,
    DropReply,
    Event,
    FinishUtterance,
    FreeFloor,
    KeysPressed,
    NextReply,
    Plain,
    PrepareReply,
    ReleaseReply,
    ReplyEnded,
    ResumeUtterance,
    StartTimer,
    StartUtterance,
    TimerFired,
    Told,
    TranscriptionFailed,
    Understood,
    VoicePaused,
    VoiceStarted,
    WithholdReply,
)
from trunkline.conversation.turn_taking import TurnTaking

TRANSCRIPT_LIMIT_S: Final = 3.0
"""After so long a final transcript is not waited for any more."""

_FRAME_S: Final = PTIME_MS / 1000
_TOLERANCE_S: Final = 0.001
"""Times of frames are sums of floating-point numbers."""

_EARLY_ANSWER_S: Final = 1.2
"""A "yes" that ended at most so long before we did answers what we were about to end with."""


_TOLD: Final[dict[Plain, Signal]] = {
    "reply_wanted": Signal.REPLY_WANTED,
    "farewell_wanted": Signal.FAREWELL_WANTED,
    "reply_started": Signal.REPLY_STARTED,
    "suspend": Signal.SUSPEND,
    "resume": Signal.RESUME,
    "close": Signal.CLOSE,
}

_OVER_US: Final = frozenset({State.SPEAKING, State.OVERLAP})


class Floor:
    """One call's turn machine. Events must come in the order in which things happened."""

    def __init__(self, settings: TurnTaking) -> None:
        self._settings = settings
        self._state = State.LISTENING
        self._utterance = 0
        self._is_pending = False  # the ear was asked for a final that has not come
        self._is_over = True  # the utterance's words were used or given up: what still comes of it is late
        self._text = ""  # the best transcript of the utterance so far
        self._speech_start_s = 0.0  # of the turn
        self._onset_s = 0.0  # of the voice heard last
        self._speech_end_s = 0.0
        self._asked = ""  # our last sentence
        self._early_answer = ""  # words that did not stop us, but may answer what we say just now
        self._was_heard = False  # something of the present reply was heard

    @property
    def state(self) -> State:
        """Where the talk is."""
        return self._state

    @property
    def takes_keys(self) -> bool:
        """Keys can be answered now; else they wait."""
        return self._state in {State.LISTENING, State.REPLYING, State.SPEAKING}

    def handle(self, event: Event) -> tuple[Action, ...]:
        """Moves the talk on.

        Raises:
            IllegalSignalError: this can't happen now.
        """
        signal = self._judge(event)
        if signal is None:
            return ()
        before = self._state
        self._state, steps = step(before, signal)
        actions = tuple(action for each in steps if (action := self._fill_in(each, event)) is not None)
        self._settle(signal)
        return actions

    # --- judging ------------------------------------------------------------------------------------------------------

    def _judge(self, event: Event) -> Signal | None:  # noqa: PLR0911 (one line an event)
        """What the event means now; None when it means nothing. Takes down its words and times."""
        match event:
            case VoiceStarted():
                self._onset_s = event.onset_s
                return Signal.VOICE_STARTED
            case VoicePaused():
                self._speech_end_s = event.since_s
                return Signal.VOICE_PAUSED
            case Understood():
                return self._judge_words(event)
            case TranscriptionFailed():
                return self._judge_failure(event)
            case TimerFired():
                return self._judge_timer(event)
            case KeysPressed():
                self._text = event.text
                self._onset_s = self._speech_start_s = self._speech_end_s = event.at_s
                return Signal.KEYS_PRESSED
            case ReplyEnded():
                return self._judge_end(event)
            case Told():
                return _TOLD[event.what]

    def _judge_words(self, event: Understood) -> Signal | None:
        if event.utterance != self._utterance or self._is_over:
            return None
        if not event.is_final:
            self._text = event.text
            return Signal.WORDS_SEEN if self._takes_floor(event.text, event.at_s - self._onset_s) else None
        if not self._is_pending:
            return None  # superseded: the caller went on
        self._is_pending = False
        self._text = event.text
        return self._judge_final()

    def _judge_failure(self, event: TranscriptionFailed) -> Signal | None:
        if event.utterance != self._utterance or self._is_over or not self._is_pending:
            return None
        self._is_pending = False
        return self._judge_final()

    def _judge_final(self) -> Signal:
        if self._takes_floor(self._text, self._speech_end_s - self._onset_s):
            return Signal.WORDS_UNDERSTOOD
        if self._state in _OVER_US:
            self._early_answer = self._text
        if (
            self._state is State.DOUBTING
            and self._was_heard
            and self._settings.false_interruption_timeout is None
        ):
            return Signal.ENOUGH_OF_US
        return Signal.NOTHING_UNDERSTOOD

    def _takes_floor(self, text: str, voiced_s: float) -> bool:
        settings = self._settings
        if self._state in _OVER_US:
            return stops_us_by_words(
                text, voiced_s, settings.interruption_min_duration, settings.interruption_min_words
            )
        if self._state in {State.INTERRUPTED, State.DOUBTING} and self._was_heard:
            return count_words(text) > 0 and not is_backchannel(text)
        if self._state is State.LISTENING and is_backchannel(text):
            return self._asked.rstrip().endswith("?")
        return bool(text.strip())

    def _judge_timer(self, event: TimerFired) -> Signal:
        match event.timer:
            case "transcript":
                self._is_pending = False
                return self._judge_final()
            case "end_of_turn":
                return Signal.TURN_ENDED
            case "interruption":
                if (
                    event.voiced_until_s - self._onset_s
                    < self._settings.interruption_min_duration - _TOLERANCE_S
                ):
                    return Signal.INTERRUPTION_EARLY
                certain = stops_us_by_voice(self._text, self._settings.interruption_min_words)
                return Signal.INTERRUPTION_CERTAIN if certain else Signal.INTERRUPTION_UNSURE
            case "false_interruption":
                goes_on = self._settings.false_interruption_timeout is not None or not self._was_heard
                return Signal.NOTHING_UNDERSTOOD if goes_on else Signal.ENOUGH_OF_US

    def _judge_end(self, event: ReplyEnded) -> Signal:
        self._asked = event.last_sentence
        in_time = event.at_s - self._speech_end_s <= _EARLY_ANSWER_S
        if self._early_answer and in_time and event.last_sentence.rstrip().endswith("?"):
            self._text = self._early_answer
            self._is_over = False
            return Signal.REPLY_ENDED_ANSWERED
        return Signal.REPLY_ENDED

    # --- filling in ---------------------------------------------------------------------------------------------------

    def _fill_in(self, each: Step, event: Event) -> Action | None:  # noqa: PLR0911 (one line a step)
        match each:
            case Step.OPEN_EAR | Step.REOPEN_EAR:
                return self._open_ear(event, reopen=each is Step.REOPEN_EAR)
            case Step.FINISH_EAR:
                return self._finish_ear()
            case Step.PREPARE_REPLY:
                return PrepareReply(self._text, self._speech_end_s)
            case Step.RELEASE_REPLY:
                return ReleaseReply()
            case Step.WITHHOLD_REPLY:
                return WithholdReply()
            case Step.DROP_REPLY:
                return DropReply()
            case Step.BARGE_IN:
                self._asked = ""
                return BargedIn(self._onset_s)
            case Step.COMMIT_TURN:
                self._is_over = True
                self._was_heard = False
                return CommitTurn(self._text, self._speech_start_s, self._speech_end_s)
            case Step.NEXT_REPLY:
                return NextReply()
            case Step.FREE_FLOOR:
                return FreeFloor()
            case Step.STOP_WAITING:
                return CancelTimer()
            case _:
                return self._wait(each, event)

    def _open_ear(self, event: Event, *, reopen: bool) -> Action:
        assert isinstance(event, VoiceStarted)
        goes_on = (reopen or self._is_pending) and not self._is_over
        self._is_pending = False
        self._is_over = False
        if goes_on:
            return ResumeUtterance(self._utterance)
        self._utterance += 1
        self._text = ""
        self._speech_start_s = event.onset_s
        return StartUtterance(self._utterance, event.preroll_ms)

    def _finish_ear(self) -> Action | None:
        if self._is_over or self._is_pending:
            return None
        self._is_pending = True
        return FinishUtterance(self._utterance)

    def _wait(self, each: Step, event: Event) -> Action:
        settings = self._settings
        match each:
            case Step.WAIT_TRANSCRIPT:
                return StartTimer("transcript", TRANSCRIPT_LIMIT_S)
            case Step.WAIT_END_OF_TURN:
                wait = wait_s(
                    self._text, self._asked, settings.endpointing_min_delay, settings.endpointing_max_delay
                )
                return StartTimer("end_of_turn", max(0.0, self._speech_end_s + wait - event.at_s))
            case Step.WAIT_INTERRUPTION:
                heard_s = event.voiced_until_s if isinstance(event, TimerFired) else event.at_s
                missing_s = settings.interruption_min_duration - (heard_s - self._onset_s)
                return StartTimer("interruption", max(_FRAME_S, missing_s))
            case Step.WAIT_WORDS:
                return StartTimer(
                    "false_interruption", settings.false_interruption_timeout or TRANSCRIPT_LIMIT_S
                )
            case _:
                raise AssertionError(each)

    def _settle(self, signal: Signal) -> None:
        """Keeps what later judgements need."""
        match signal:
            case Signal.REPLY_STARTED:
                self._was_heard = True
                self._early_answer = ""
            case Signal.NOTHING_UNDERSTOOD | Signal.ENOUGH_OF_US | Signal.SUSPEND | Signal.CLOSE:
                self._is_over = (
                    self._is_over or not self._is_pending or signal in {Signal.SUSPEND, Signal.CLOSE}
                )
            case _:
                pass
        if self._state in {State.LISTENING, State.CALLER_SPEAKING, State.CALLER_PAUSED, State.SUSPENDED}:
            self._was_heard = False
            self._early_answer = ""
