"""The settings of who may speak when."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TurnTaking:
    """Who may speak when. All times in seconds.

    Attributes:
        endpointing_min_delay: from the end of the caller's speech to the end of the turn, when the sentence is complete.
        endpointing_max_delay: the same, when the caller seems to have more to say.
        interruption_min_duration: how long the caller must speak before we stop speaking.
        interruption_min_words: how many words must be understood before we stop; 0 asks for none.
        false_interruption_timeout: after so long without words we go on where we stopped; None never goes on.
    """

    endpointing_min_delay: float = 0.4
    endpointing_max_delay: float = 2.0
    interruption_min_duration: float = 0.3
    interruption_min_words: int = 0
    false_interruption_timeout: float | None = 1.5
