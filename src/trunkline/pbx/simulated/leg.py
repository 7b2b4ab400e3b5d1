"""What the legs of a simulated PBX have in common, and a party that follows its script."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from datetime import datetime
from enum import Enum
from typing import Final

from trunkline.core.errors import InvalidField
from trunkline.core.ids import BridgeId, LegId
from trunkline.pbx.hangup import Q850, Hangup, q850_of_sip, verdict
from trunkline.pbx.port import LegAnswered, LegDigit, LegEarlyMedia, LegEvent, LegQuality, LegRinging
from trunkline.pbx.simulated.sound import SILENCE, Samples, frames, is_loud, tone
from trunkline.pbx.simulated.subscriber import (
    Answer,
    AwaitSpeech,
    AwaitTurn,
    Echo,
    HangUp,
    PlayEarly,
    Press,
    Refuse,
    Ring,
    Say,
    Step,
    Subscriber,
    Wait,
)
from trunkline.pbx.simulated.tape import Tape

_KEY_S: Final = 0.1
# Whole periods in a frame, so that frames follow each other without a click.
RINGBACK: Final = tone(400, 0.02, 3000)
MUSIC: Final = tone(300, 0.02, 3000)


class LegState(Enum):
    """How far a leg is, by the words of a snapshot."""

    DOWN = "down"
    RINGING = "ringing"
    EARLY = "early media"
    ANSWERED = "answered"


class SimulatedLeg:
    """One leg: a party's or a media channel's.

    Attributes:
        bridge_id: the bridge it is in.
        is_muted: what it says does not reach the bridge.
        is_held: its party hears music.
        has_ringback: its party hears a ringing tone.
        has_failed: its work raised; told once.
    """

    def __init__(self, leg_id: LegId, created_at: datetime) -> None:
        self.id = leg_id
        self.created_at = created_at
        self.state = LegState.DOWN
        self.bridge_id: BridgeId | None = None
        self.is_muted = False
        self.is_held = False
        self.has_ringback = False
        self.has_failed = False
        self.frame: Samples | None = None  # what it says in this tick

    def talk(self) -> Samples | None:
        """The next 20 ms that it says; None when nothing comes from it."""
        raise NotImplementedError

    def hear(self, frame: Samples | None) -> None:
        """The next 20 ms that reach it."""
        raise NotImplementedError

    def take_frame(self) -> None:
        """Holds the next frame ready for this tick."""
        self.frame = self.talk()

    def on_bridge_digit(self, digit: str) -> None:
        """Somebody in its bridge pressed a key."""

    def ended(self) -> None:
        """It is gone from the PBX."""


class PartyLeg(SimulatedLeg):
    """A phone that does what its script says. `run` is its life, owned by the PBX.

    Attributes:
        digits: keys that we sent to it.
        tapes: recordings under way.
    """

    def __init__(
        self,
        leg_id: LegId,
        created_at: datetime,
        subscriber: Subscriber,
        *,
        tell: Callable[[LegEvent], None],
        end: Callable[[Hangup], None],
    ) -> None:
        super().__init__(leg_id, created_at)
        self.digits = ""
        self.tapes: list[Tape] = []
        self._subscriber = subscriber
        self._tell = tell
        self._end = end
        self._saying: deque[Samples] = deque()
        self._said = asyncio.Event()
        self._is_echo = False
        self._echo: Samples | None = None
        self._awaited: Callable[[], bool] = _never
        self._reached = asyncio.Event()
        self._heard_s = 0.0  # sound since the last `AwaitTurn`
        self._silent_s = 0.0
        self._packets_in = 0
        self._packets_out = 0

    async def run(self) -> None:
        """Follows the script."""
        for step in self._subscriber.steps:
            await self._do(step)

    def answer(self) -> None:
        """Picks up; nothing happens when it has."""
        if self.state is not LegState.ANSWERED:
            self.state = LegState.ANSWERED
            self._tell(LegAnswered(self.id, wideband=self._subscriber.wideband))

    def talk(self) -> Samples | None:
        """A phone that is up sends a frame every 20 ms, silence included."""
        if self.state not in (LegState.ANSWERED, LegState.EARLY):
            return None
        self._packets_in += 1
        if self._saying:
            frame = self._saying.popleft()
            if not self._saying:
                self._said.set()
            return frame
        return self._echo if self._is_echo and self._echo is not None else SILENCE

    def hear(self, frame: Samples | None) -> None:
        """Listens for whose turn it is, and keeps what is recorded."""
        if self.has_ringback:
            frame = RINGBACK
        elif self.is_held:
            frame = MUSIC
        self._packets_out += frame is not None
        self._echo = frame
        if is_loud(frame):
            self._heard_s += 0.02
            self._silent_s = 0.0
        else:
            self._silent_s += 0.02
        if self._awaited():
            self._reached.set()
        for tape in self.tapes:
            tape.said.append(self.frame if self.frame is not None else SILENCE)
            tape.heard.append(frame if frame is not None else SILENCE)

    def quality(self) -> LegQuality:
        """A flawless line."""
        return LegQuality("ulaw", self._packets_in, self._packets_out, 0, 0, 0.0, 0.0, 0.0)

    async def _do(self, step: Step) -> None:
        match step:
            case Wait(seconds):
                await asyncio.sleep(seconds)
            case Ring():
                self.state = LegState.RINGING
                self._tell(LegRinging(self.id))
            case PlayEarly(samples):
                self.state = LegState.EARLY
                self._tell(LegEarlyMedia(self.id))
                await self._say(samples)
            case Answer():
                self.answer()
            case Say(samples):
                await self._say(samples)
            case AwaitTurn(silence_s, at_most_s):
                await self._await(lambda: self._heard_s > 0.1 and self._silent_s >= silence_s, at_most_s)
                self._heard_s = 0.0
            case AwaitSpeech(at_most_s):
                self._heard_s = 0.0
                await self._await(lambda: self._heard_s > 0.1, at_most_s)
            case Echo(seconds):
                self._is_echo = True
                await asyncio.sleep(seconds)
                self._is_echo = False
            case Press(digits):
                await self._press(digits)
            case HangUp(cause):
                self._end(verdict(cause, None))
            case Refuse(sip):
                self._end(verdict(q850_of_sip(sip), sip))

    async def _say(self, samples: Samples) -> None:
        self._said.clear()
        self._saying.extend(frames(samples))
        await self._said.wait()

    async def _press(self, digits: str) -> None:
        for digit in digits:
            self._tell(LegDigit(self.id, digit))
            await asyncio.sleep(_KEY_S)

    async def _await(self, happened: Callable[[], bool], at_most_s: float) -> None:
        """Returns with the frame that makes it true, or when the time is up."""
        self._awaited = happened
        self._reached.clear()
        try:
            async with asyncio.timeout(at_most_s):
                await self._reached.wait()
        except TimeoutError:
            pass
        finally:
            self._awaited = _never


def _never() -> bool:
    return False


def checked_digits(digits: str) -> str:
    """DTMF that can be sent.

    Raises:
        InvalidField: they are too many, or none, or another character is among them.
    """
    if not 0 < len(digits) <= 64 or set(digits) - set("0123456789*#ABCD"):
        raise InvalidField("digits", "digits must be 1 to 64 of 0-9, *, # and A-D.")
    return digits


CLEARED: Final = verdict(Q850.NORMAL_CLEARING, None)
