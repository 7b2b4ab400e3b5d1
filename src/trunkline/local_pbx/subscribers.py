"""Who lives behind the simulated carrier: number, behaviour and every word they say. Pure.

`dialplan/carrier/extensions.conf` makes them behave so; a test holds the two together. Lines with `recorded` are human speech
from the Debian package asterisk-core-sounds-en-wav; the others are synthesised at set-up by a voice that no assistant has.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Line:
    """Something a subscriber says.

    Attributes:
        name: of the sound file, without its ending; core sounds by their own names.
        text: the words, as a transcript would have them.
        recorded: a human's recording rather than a synthetic voice.
    """

    name: str
    text: str
    recorded: bool = False


@dataclass(frozen=True, slots=True)
class Subscriber:
    """One number of the carrier.

    Attributes:
        key: its name in tests and scenarios.
        number: E.164.
        does: what a caller of this number meets.
        lines: what is said, in order.
        sip: the final status of a subscriber who never answers; None where somebody answers or nobody ends the ringing.
    """

    key: str
    number: str
    does: str
    lines: tuple[Line, ...] = ()
    sip: int | None = None


def _said(name: str, text: str) -> Line:
    return Line(name, text)


def _recorded(name: str, text: str) -> Line:
    return Line(name, text, recorded=True)


SUBSCRIBERS: Final[tuple[Subscriber, ...]] = (
    Subscriber(
        "talker",
        "+31201000001",
        "answers after a second, waits for the other side to finish before each of four lines, then hangs up",
        (
            _said("talker-1", "Good morning. I am calling about my appointment."),
            _said("talker-2", "My name is John Miller."),
            _said("talker-3", "Could I come on Thursday afternoon?"),
            _said("talker-4", "Thank you very much. Goodbye."),
        ),
    ),
    Subscriber(
        "interrupter",
        "+31201000002",
        "answers, lets the other side speak for a second and a half and talks over it, twice, then waits and hangs up",
        (
            _said("interrupter-1", "Sorry, I have a question about the price."),
            _said("interrupter-2", "Please stop. I only want to know the price."),
        ),
    ),
    Subscriber(
        "demo",
        "+31201000003",
        "answers and books an appointment: three turns, one barge-in into a long answer, then asks for a human, talks to the "
        "human after the transfer, and hangs up",
        (
            _said("demo-1", "Hello, I would like to book an appointment please."),
            _said("demo-2", "My name is Anna Fisher."),
            _said("demo-3", "Friday at ten in the morning, please."),
            _said("demo-4", "Sorry, stop. Is parking free?"),
            _said("demo-5", "Please connect me with a colleague."),
            _said("demo-6", "Thank you very much. Goodbye."),
        ),
    ),
    Subscriber("busy", "+31201000004", "is busy", sip=486),
    Subscriber("ringer", "+31201000005", "rings and never answers"),
    Subscriber("decliner", "+31201000006", "declines after ringing for a second", sip=603),
    Subscriber("unknown", "+31201000007", "does not exist", sip=404),
    Subscriber("congested", "+31201000008", "the carrier has no free circuit", sip=503),
    Subscriber(
        "early_media",
        "+31201000009",
        "plays an announcement before the answer (183), then answers and talks like `talker`",
        (
            _recorded("pls-hold-while-try", "Please hold while we try to connect you."),
            _said("talker-1", "Good morning. I am calling about my appointment."),
            _said("talker-4", "Thank you very much. Goodbye."),
        ),
    ),
    Subscriber(
        "mid_sentence",
        "+31201000010",
        "answers, begins a long sentence after the other side's first, and hangs up in the middle of it",
        (
            _said(
                "mid-sentence-1",
                "Well, what I really wanted to tell you about is that last week, when I came to see you,",
            ),
        ),
    ),
    Subscriber(
        "voicemail",
        "+31201000011",
        "answers with a greeting and a beep, and records for up to twenty seconds",
        (
            _recorded("vm-nobodyavail", "Nobody is available to take your call at the moment."),
            _recorded(
                "vm-intro",
                "Please leave your message after the tone. When done, hang up or press the pound key.",
            ),
        ),
    ),
    Subscriber(
        "ivr",
        "+31201000012",
        "asks for digits, repeats what it got and hangs up; `<spool>/digits/<unique id>.txt` holds them",
        (
            _recorded("agent-pass", "Please enter your password followed by the pound key."),
            _recorded("privacy-thankyou", "Thank you."),
        ),
    ),
    Subscriber(
        "agent",
        "+31201000013",
        "the human who gets transferred calls: rings for a second and a half, answers, greets, listens, says goodbye",
        (
            _recorded("hello", "Hello."),
            _recorded("queue-thankyou", "Thank you for your patience."),
            _recorded("goodbye", "Goodbye!"),
        ),
    ),
    Subscriber("silent", "+31201000014", "answers and says nothing for a minute"),
    Subscriber("quick", "+31201000015", "answers at once and hangs up after two seconds"),
    Subscriber(
        "recorded_talker",
        "+31201000016",
        "like `talker`, in human recorded speech",
        (
            _recorded("hello", "Hello."),
            _recorded("sorry-youre-having-problems", "Sorry you're having problems."),
            _recorded("vm-nobodyavail", "Nobody is available to take your call at the moment."),
            _recorded("please-try-call-later", "Please try your call again later."),
            _recorded("goodbye", "Goodbye!"),
        ),
    ),
    Subscriber(
        "echo", "+31201000017", "answers at once and sends back every frame it hears, for up to five minutes"
    ),
    Subscriber(
        "tone", "+31201000018", "answers at once and sends a steady tone of 1000 Hz for up to five minutes"
    ),
    Subscriber("forbidden", "+31201000019", "the carrier does not allow the call", sip=403),
)

_BY_KEY: Final = {subscriber.key: subscriber for subscriber in SUBSCRIBERS}


def subscriber(key: str) -> Subscriber:
    """The subscriber of that name.

    Raises:
        KeyError: there is none.
    """
    return _BY_KEY[key]


def spoken_lines() -> tuple[Line, ...]:
    """Every line that has to be synthesised, once."""
    lines = {line.name: line for subscriber in SUBSCRIBERS for line in subscriber.lines if not line.recorded}
    return tuple(lines.values())
