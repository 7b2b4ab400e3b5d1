"""The turn machine under every order of events that can happen."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from trunkline.conversation import turn_events as turn
from trunkline.conversation.floor import Floor
from trunkline.conversation.turn import State
from trunkline.conversation.turn_taking import TurnTaking

TEXTS = st.sampled_from(
    ["", "mm-hm", "yes", "stop", "I would like a table", "my number is", "What does it cost?"]
)
WAITING = {State.CALLER_PAUSED, State.OVERLAP, State.DOUBTING}
OURS = {State.REPLYING, State.SPEAKING, State.OVERLAP, State.CLOSING}


class FloorMachine(RuleBasedStateMachine):
    """Plays everyone around the machine: caller, ear, timer, speaker, client."""

    @initialize(
        timeout=st.sampled_from([1.5, None]),
        words=st.sampled_from([0, 2]),
    )
    def begin(self, timeout: float | None, words: int) -> None:
        self.floor = Floor(TurnTaking(false_interruption_timeout=timeout, interruption_min_words=words))
        self.now = 0.0
        self.timer: str | None = None
        self.is_voiced = False
        self.voiced_until = 0.0
        self.reply: str | None = None  # withheld or released
        self.was_started = False
        self.utterance = 0
        self.wants_final = False
        self.ends: list[str] = []
        self.made = 0

    # --- carrying out -------------------------------------------------------------------------------------------------

    def happen(self, event: turn.Event) -> None:
        for action in self.floor.handle(event):
            self.act(action)

    def act(self, action: turn.Action) -> None:  # noqa: C901, PLR0912 (one line an action)
        match action:
            case turn.StartUtterance():
                assert action.utterance == self.utterance + 1
                self.utterance, self.wants_final = action.utterance, False
            case turn.ResumeUtterance():
                assert action.utterance == self.utterance
                self.wants_final = False
            case turn.FinishUtterance():
                assert action.utterance == self.utterance
                self.wants_final = True
            case turn.PrepareReply():
                assert self.reply is None
                self.reply, self.was_started = "withheld", False
                self.made += 1
            case turn.NextReply():
                assert self.reply is None
                self.reply, self.was_started = "released", False
                self.made += 1
            case turn.ReleaseReply():
                assert self.reply == "withheld"
                self.reply, self.was_started = "released", False
            case turn.WithholdReply():
                assert self.reply == "released"
                self.reply = "withheld"
            case turn.DropReply():
                if self.reply is not None:
                    self.reply = None
                    self.ends.append("dropped")
            case turn.BargedIn():
                assert self.reply == "released"
                assert self.was_started
            case turn.StartTimer():
                assert action.seconds >= 0
                self.timer = action.timer
            case turn.CancelTimer():
                self.timer = None
            case turn.CommitTurn():
                assert action.text
                assert action.speech_start_s <= action.speech_end_s
            case turn.FreeFloor():
                assert self.reply is None
                assert not self.is_voiced

    # --- what may happen ----------------------------------------------------------------------------------------------

    @rule(seconds=st.sampled_from([0.02, 0.1, 0.3, 1.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        if self.is_voiced:
            self.voiced_until = self.now

    @precondition(lambda self: not self.is_voiced and self.floor.state is not State.SUSPENDED)
    @rule()
    def caller_starts(self) -> None:
        self.is_voiced, self.voiced_until = True, self.now
        self.happen(turn.VoiceStarted(self.now, self.now - 0.06, 220))

    @precondition(lambda self: self.is_voiced and self.floor.state is not State.SUSPENDED)
    @rule()
    def caller_pauses(self) -> None:
        self.is_voiced = False
        self.now += 0.2
        self.happen(turn.VoicePaused(self.now, self.now - 0.2))

    @precondition(lambda self: self.utterance and (self.is_voiced or self.wants_final))
    @rule(text=TEXTS)
    def ear_tells_a_partial(self, text: str) -> None:
        self.happen(turn.Understood(self.now, self.utterance, text, is_final=False))

    @precondition(lambda self: self.wants_final)
    @rule(text=TEXTS)
    def ear_tells_a_final(self, text: str) -> None:
        self.wants_final = False
        self.happen(turn.Understood(self.now, self.utterance, text, is_final=True))

    @precondition(lambda self: self.wants_final)
    @rule()
    def ear_fails(self) -> None:
        self.wants_final = False
        self.happen(turn.TranscriptionFailed(self.now, self.utterance))

    @precondition(lambda self: self.utterance > 1)
    @rule(text=TEXTS, is_final=st.booleans())
    def ear_tells_of_an_older_utterance(self, text: str, is_final: bool) -> None:
        assert self.floor.handle(turn.Understood(self.now, self.utterance - 1, text, is_final)) == ()

    @precondition(lambda self: self.timer is not None)
    @rule()
    def timer_fires(self) -> None:
        timer, self.timer = self.timer, None
        self.now += 0.3
        if self.is_voiced:
            self.voiced_until = self.now
        self.happen(turn.TimerFired(self.now, timer, self.voiced_until))

    @precondition(lambda self: self.reply == "released" and not self.was_started)
    @rule()
    def reply_starts(self) -> None:
        self.was_started = True
        if self.floor.state in {State.REPLYING, State.CLOSING}:
            self.happen(turn.Told(self.now, "reply_started"))

    @precondition(lambda self: self.reply == "released")
    @rule(text=st.sampled_from(["That is all.", "Is that right?", ""]))
    def reply_is_heard(self, text: str) -> None:
        self.reply = None
        self.ends.append("heard")
        self.happen(turn.ReplyEnded(self.now, text))

    @precondition(lambda self: self.floor.state is State.LISTENING)
    @rule(what=st.sampled_from(["reply_wanted", "farewell_wanted"]))
    def client_wants_to_say_something(self, what: turn.Plain) -> None:
        self.happen(turn.Told(self.now, what))

    @precondition(lambda self: self.floor.takes_keys and (self.reply is None or self.was_started))
    @rule()
    def keys_are_pressed(self) -> None:
        self.happen(turn.KeysPressed(self.now, "Keys pressed: 1"))

    @precondition(lambda self: self.floor.state not in {State.SUSPENDED, State.CLOSED})
    @rule()
    def client_suspends(self) -> None:
        self.happen(turn.Told(self.now, "suspend"))
        self.is_voiced = False

    @precondition(lambda self: self.floor.state is State.SUSPENDED)
    @rule()
    def client_resumes(self) -> None:
        self.happen(turn.Told(self.now, "resume"))

    def teardown(self) -> None:
        if hasattr(self, "floor"):
            self.happen(turn.Told(self.now, "close"))
            assert self.floor.state is State.CLOSED
            assert self.reply is None
            assert self.timer is None
            assert len(self.ends) == self.made

    # --- what must always hold ----------------------------------------------------------------------------------------

    @invariant()
    def a_timer_runs_only_where_something_is_waited_for(self) -> None:
        state = self.floor.state
        assert self.timer is None or state in WAITING
        if state in {State.CALLER_PAUSED, State.DOUBTING}:
            assert self.timer is not None

    @invariant()
    def we_are_silent_wherever_the_caller_has_the_floor(self) -> None:
        released = self.reply == "released"
        assert released == (self.floor.state in OURS)
        if self.floor.state in {State.CALLER_SPEAKING, State.LISTENING, State.SUSPENDED, State.CLOSED}:
            assert self.reply is None

    @invariant()
    def the_machine_knows_whether_the_caller_speaks(self) -> None:
        state = self.floor.state
        if state in {State.CALLER_SPEAKING, State.OVERLAP, State.INTERRUPTED}:
            assert self.is_voiced
        if state in {State.LISTENING, State.CALLER_PAUSED, State.REPLYING, State.SPEAKING, State.DOUBTING}:
            assert not self.is_voiced


FloorMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestFloorMachine = FloorMachine.TestCase


def _floor_after(*events: turn.Event, **changes: object) -> tuple[Floor, tuple[turn.Action, ...]]:
    floor = Floor(TurnTaking(**changes))  # type: ignore[arg-type]
    actions: tuple[turn.Action, ...] = ()
    for event in events:
        actions = floor.handle(event)
    return floor, actions


def test_wait_is_counted_from_the_end_of_speech() -> None:
    """The pause that showed the end, and the ear's time, are part of the wait."""
    _, actions = _floor_after(
        turn.VoiceStarted(1.06, 1.0, 220),
        turn.VoicePaused(3.2, 3.0),
        turn.Understood(3.3, 1, "I need a table for two.", is_final=True),
    )

    timer = actions[-1]
    assert isinstance(timer, turn.StartTimer)
    assert (timer.timer, round(timer.seconds, 6)) == ("end_of_turn", 0.1)


def test_late_ear_ends_the_turn_at_once() -> None:
    """A transcript that took longer than the wait does not wait again."""
    _, actions = _floor_after(
        turn.VoiceStarted(1.06, 1.0, 220),
        turn.VoicePaused(3.2, 3.0),
        turn.Understood(4.3, 1, "I need a table for two.", is_final=True),
    )

    assert actions[-1] == turn.StartTimer("end_of_turn", 0.0)


def test_ear_that_never_answers_leaves_the_partial() -> None:
    """What was understood so far is the caller's turn."""
    floor, actions = _floor_after(
        turn.VoiceStarted(1.06, 1.0, 220),
        turn.Understood(2.0, 1, "A table for two", is_final=False),
        turn.VoicePaused(3.2, 3.0),
        turn.TimerFired(6.2, "transcript", 3.0),
    )

    assert turn.PrepareReply("A table for two", 3.0) in actions
    assert floor.state is State.CALLER_PAUSED


def _speaking() -> tuple[turn.Event, ...]:
    return (turn.Told(0.0, "reply_wanted"), turn.Told(0.1, "reply_started"))


def test_words_can_be_asked_for_before_we_stop() -> None:
    """With `interruption_min_words` at 2, voice alone does not stop us; the second word does."""
    events = (
        *_speaking(),
        turn.VoiceStarted(1.06, 1.0, 220),
        turn.TimerFired(1.3, "interruption", 1.3),
        turn.Understood(1.5, 1, "wait", is_final=False),
    )
    floor, _ = _floor_after(*events, interruption_min_words=2)
    assert floor.state is State.OVERLAP

    actions = floor.handle(turn.Understood(1.9, 1, "wait a moment", is_final=False))
    assert floor.state is State.CALLER_SPEAKING
    assert turn.BargedIn(1.0) in actions


def test_silence_within_an_overlap_does_not_count_as_speech() -> None:
    """The voice ended after 160 ms: its pause has not been told yet when the timer fires."""
    floor, actions = _floor_after(
        *_speaking(), turn.VoiceStarted(1.06, 1.0, 220), turn.TimerFired(1.3, "interruption", 1.16)
    )

    assert floor.state is State.OVERLAP
    (timer,) = actions
    assert isinstance(timer, turn.StartTimer)
    assert round(timer.seconds, 6) == 0.14


def test_second_thought_before_we_speak_takes_the_reply_back() -> None:
    """The caller goes on when the turn seemed over: words drop the reply, a cough does not."""
    events = (
        turn.VoiceStarted(1.06, 1.0, 220),
        turn.VoicePaused(3.2, 3.0),
        turn.Understood(3.3, 1, "A table for two.", is_final=True),
        turn.TimerFired(3.4, "end_of_turn", 3.0),
        turn.VoiceStarted(3.5, 3.44, 220),
        turn.VoicePaused(3.9, 3.7),
    )
    floor, _ = _floor_after(*events)
    assert floor.state is State.DOUBTING
    assert floor.handle(turn.Understood(4.0, 2, "", is_final=True)) == (
        turn.CancelTimer(),
        turn.ReleaseReply(),
    )

    floor, _ = _floor_after(*events)
    actions = floor.handle(turn.Understood(4.0, 2, "Yes please.", is_final=True))
    assert turn.DropReply() in actions
    assert turn.PrepareReply("Yes please.", 3.7) in actions
