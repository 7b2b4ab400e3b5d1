"""What to do when the caller says nothing: ask, ask again, say goodbye. Pure; the owner keeps the timer and the count."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SilencePlan:
    """How often and with what words an absent caller is asked for. The clock runs only while nobody has the floor.

    Attributes:
        messages: said in turn, the last one again where there are fewer than `max_attempts`; without any, the call ends at once.
        final_message: said before the call is ended; None ends it without a word.
        first_check_seconds: silence before the first message.
        interval_seconds: silence after each message.
        max_attempts: how many messages.
    """

    messages: tuple[str, ...] = ("Are you still there?",)
    final_message: str | None = None
    first_check_seconds: float = 3.0
    interval_seconds: float = 12.0
    max_attempts: int = 3


@dataclass(frozen=True, slots=True)
class Prompt:
    """Say this, then wait again."""

    text: str


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Say this (None: nothing), then end the call."""

    text: str | None


def wait_s(plan: SilencePlan, attempts: int) -> float:
    """How long silence may last, after so many messages without an answer."""
    return plan.first_check_seconds if attempts == 0 else plan.interval_seconds


def after_silence(plan: SilencePlan, attempts: int) -> Prompt | GiveUp:
    """What to do once it has lasted that long."""
    if attempts >= plan.max_attempts or not plan.messages:
        return GiveUp(plan.final_message)
    return Prompt(plan.messages[min(attempts, len(plan.messages) - 1)])
