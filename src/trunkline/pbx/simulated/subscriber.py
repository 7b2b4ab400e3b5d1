"""Who lives behind a simulated trunk: scripts of what a party does when its phone is called.

`BEHAVIOURS` has, by the same keys, the subscribers of the carrier in `dialplan/carrier`; their words are a buzz here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from trunkline.pbx.hangup import Q850
from trunkline.pbx.simulated.sound import Samples, speech, tone


@dataclass(frozen=True, slots=True)
class Wait:
    """Does nothing for so long."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Ring:
    """The phone rings (180)."""


@dataclass(frozen=True, slots=True)
class PlayEarly:
    """There is sound before the answer (183)."""

    samples: Samples


@dataclass(frozen=True, slots=True)
class Answer:
    """Picks up."""


@dataclass(frozen=True, slots=True)
class Say:
    """Says 8 kHz samples to their end."""

    samples: Samples


@dataclass(frozen=True, slots=True)
class AwaitTurn:
    """Waits until the other side has spoken and was then silent for `silence_s`; goes on after `at_most_s` anyway."""

    silence_s: float = 0.7
    at_most_s: float = 15.0


@dataclass(frozen=True, slots=True)
class AwaitSpeech:
    """Waits until the other side speaks; goes on after `at_most_s` anyway."""

    at_most_s: float = 15.0


@dataclass(frozen=True, slots=True)
class Echo:
    """Sends back every frame it hears for so long."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Press:
    """Presses keys, ten a second."""

    digits: str


@dataclass(frozen=True, slots=True)
class HangUp:
    """Hangs up."""

    cause: Q850 = Q850.NORMAL_CLEARING


@dataclass(frozen=True, slots=True)
class Refuse:
    """Ends the call with a final SIP status (300 to 699) instead of an answer."""

    sip: int


Step = Wait | Ring | PlayEarly | Answer | Say | AwaitTurn | AwaitSpeech | Echo | Press | HangUp | Refuse


@dataclass(frozen=True, slots=True)
class Subscriber:
    """One script. After its last step the party stays as it is: ringing, or on the line in silence."""

    steps: tuple[Step, ...]
    wideband: bool = False


def refuses(sip: int, *, after_s: float = 0.05) -> Subscriber:
    """Never answers; a status instead."""
    return Subscriber((Wait(after_s), Refuse(sip)))


_LINE = Say(speech(1.6))
_TALK: Final[tuple[Step, ...]] = (AwaitTurn(), _LINE) * 4 + (AwaitTurn(), HangUp())
_PICKS_UP: Final[tuple[Step, ...]] = (Ring(), Wait(0.2), Answer())

NOBODY: Final = refuses(404)
"""Who answers for a number that the trunk does not know."""

BEHAVIOURS: Final[dict[str, Subscriber]] = {
    "talker": Subscriber((Ring(), Wait(1.0), Answer(), *_TALK)),
    "interrupter": Subscriber(
        (*_PICKS_UP, *(AwaitSpeech(), Wait(1.5), Say(speech(2.0)), AwaitTurn()) * 2, Wait(5.0), HangUp())
    ),
    "demo": Subscriber((*_PICKS_UP, *_TALK)),
    "busy": refuses(486),
    "ringer": Subscriber((Ring(),)),
    "decliner": Subscriber((Ring(), Wait(1.0), Refuse(603))),
    "unknown": NOBODY,
    "congested": refuses(503),
    "forbidden": refuses(403),
    "early_media": Subscriber((PlayEarly(tone(425, 1.0)), Answer(), *_TALK)),
    "mid_sentence": Subscriber((*_PICKS_UP, AwaitTurn(), Say(speech(1.2)), HangUp())),
    "voicemail": Subscriber((*_PICKS_UP, Say(speech(4.0)), Say(tone(1000, 0.4)), Wait(20.0), HangUp())),
    "ivr": Subscriber((*_PICKS_UP, Say(speech(2.0)), Wait(10.0), HangUp())),
    "agent": Subscriber(
        (Ring(), Wait(1.5), Answer(), Say(speech(1.0, 180)), AwaitTurn(), Say(speech(0.8, 180)), HangUp())
    ),
    "silent": Subscriber((*_PICKS_UP, Wait(60.0), HangUp())),
    "quick": Subscriber((Answer(), Wait(2.0), HangUp())),
    "recorded_talker": Subscriber((Ring(), Wait(1.0), Answer(), *_TALK)),
    "echo": Subscriber((Answer(), Echo(300.0), HangUp())),
    "tone": Subscriber((Answer(), Say(tone(1000, 60.0)), HangUp())),
}
