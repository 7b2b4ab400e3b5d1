"""How an assistant behaves in the air: turns, pronunciation, silence, its parting words."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from trunkline.resources.fields import WHOLE, Block, Phrase, ShortText, Spoken


class TurnTakingConfig(Block):
    """When the assistant may speak and when it stops. All times in seconds."""

    endpointing_min_delay: float = Field(
        0.4, ge=0.1, le=5, description="Least silence that ends the caller's turn."
    )
    endpointing_max_delay: float = Field(
        2.0, ge=0.1, le=5, description="Longest wait for a sentence that seems unfinished."
    )
    interruption_min_duration: float = Field(
        0.3, ge=0.05, le=2, description="Caller speech shorter than this doesn't interrupt."
    )
    interruption_min_words: Annotated[int, WHOLE] = Field(
        0, ge=0, le=10, description="Words the caller must have said to interrupt; 0 needs none."
    )
    false_interruption_timeout: float | None = Field(
        1.5,
        ge=0.2,
        le=5,
        description="An interruption without words is taken back after this long, and the assistant goes on; null: never.",
    )


class Pronunciation(Block):
    """One replacement before text is spoken."""

    from_: ShortText = Field(alias="from", min_length=1, description="Text as it is written.")
    to: ShortText = Field(description="Text as it should be spoken.")


class BackgroundAudio(Block):
    """Sound of a place behind the assistant's voice."""

    enabled: bool = Field(default=False, description="Whether it plays.")
    clip: Literal["office", "city", "forest", "crowded_room"] = Field("office", description="Which place.")
    volume: float = Field(0.3, ge=0.05, le=1, description="1 is as loud as the voice.")


class SilenceConfig(Block):
    """What the assistant says to a caller who says nothing."""

    messages: list[Spoken] | None = Field(
        None, max_length=5, description="Prompts, in order; the last is repeated."
    )
    final_message: Phrase | None = Field(None, description="Spoken before the hang-up.")
    first_check_seconds: float = Field(3, ge=1, le=60, description="Quiet time before the first prompt.")
    interval_seconds: float = Field(12, ge=3, le=120, description="Quiet time between prompts.")
    max_attempts: Annotated[int, WHOLE] = Field(3, ge=1, le=10, description="Prompts before the hang-up.")


class SpeechConfig(Block):
    """How the assistant behaves in the air."""

    turn_taking: TurnTakingConfig | None = Field(None, description="When to speak and when to stop.")
    pronunciation: list[Pronunciation] | None = Field(
        None, max_length=50, description="Replacements before text is spoken."
    )
    background_audio: BackgroundAudio | None = Field(None, description="Sound of a place behind the voice.")
    silence: SilenceConfig | None = Field(None, description="What to say to a silent caller.")
    end_call_message: Phrase | None = Field(None, description="Spoken before the assistant hangs up.")
    first_message_outbound: Phrase | None = Field(
        None, description="Greeting of outbound calls, instead of `first_message`."
    )
    end_call_phrases: list[Spoken] | None = Field(
        None, max_length=5, description="When the caller says one of these, the call ends."
    )
