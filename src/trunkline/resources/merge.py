"""Which assistant a call runs with: saved, given once, or saved with an override. Pure.

Rules:
1. An override block that names `provider` replaces the saved block; one that does not is patched into it. Anything else replaces.
   null clears.
2. The greeting is the first that is given (a blank one is not): the request's `first_message`, the override's `first_message`,
   `speech_config.first_message_outbound`, the assistant's `first_message`.
3. A realtime model hears and speaks by itself: `stt_config` and `tts_config` are left out, with a warning. Any other needs both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from trunkline.core.errors import InvalidField
from trunkline.resources.assistant import KEEP_NULL, Assistant
from trunkline.resources.engine_config import REALTIME
from trunkline.resources.sealing import masked
from trunkline.resources.validation import parse

_BLOCKS: Final = frozenset(
    {"stt_config", "llm_config", "tts_config", "speech_config", "analysis_plan", "recording_consent"}
)
_NESTED: Final = frozenset(
    {"turn_taking", "background_audio", "silence", "turn_detection", "structured_data_plan"}
)


@dataclass(frozen=True, slots=True)
class AssistantChoice:
    """What a request says about its assistant, with the names it used, so that errors can use them too.

    Attributes:
        assistant_id: a saved assistant; None in transient mode.
        transient: a whole configuration used once.
        override: changes to the saved one.
        first_message: greeting of this call alone.
        context: an extra system message.
        id_param, transient_param, override_param: the fields the client used.
    """

    assistant_id: str | None = None
    transient: Mapping[str, Any] | None = None
    override: Mapping[str, Any] | None = None
    first_message: str | None = None
    context: str | None = None
    id_param: str = "assistant_id"
    transient_param: str = "assistant"
    override_param: str = "assistant_override"


@dataclass(frozen=True, slots=True)
class ResolvedAssistant:
    """The assistant of one call.

    Attributes:
        id: the saved one's id; None in transient mode.
        config: the merged document as JSON, secrets in clear; never stored or answered as it is.
        document: the same, typed, with every default.
        greeting: what it says first; None lets the caller begin.
        context: an extra system message.
        warnings: sentences for the client.
    """

    id: str | None
    name: str | None
    config: Mapping[str, Any] = field(repr=False)
    document: Assistant = field(repr=False)
    greeting: str | None = field(repr=False)
    context: str | None = field(repr=False)
    warnings: tuple[str, ...] = ()

    @property
    def is_realtime(self) -> bool:
        """Whether the model hears and speaks by itself."""
        return self.config["llm_config"]["provider"] in REALTIME

    @property
    def tools(self) -> Sequence[Mapping[str, Any]]:
        """The model's tools as JSON, `end_call` among them where silence handling needs it."""
        tools: list[dict[str, Any]] = list(self.config["llm_config"].get("tools") or [])
        if self.document.autonomous_silence_handling and not any(
            tool.get("type") == "end_call" for tool in tools
        ):
            tools.append({"type": "end_call"})
        return tools

    def record(self) -> dict[str, Any]:
        """The configuration fit to be stored with the call: secrets masked."""
        return masked(dict(self.config))


def patch_config(saved: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """`saved` changed by `patch` (rule 1). Patching an empty document gives a clean copy of a new one."""
    merged = dict(saved)
    for key, value in patch.items():
        if value is None and key not in KEEP_NULL:
            merged.pop(key, None)
        elif isinstance(value, dict) and key in _BLOCKS | _NESTED:
            replaces = value.get("provider") is not None
            merged[key] = patch_config({} if replaces else merged.get(key) or {}, value)
        else:
            merged[key] = value
    return merged


def resolve(choice: AssistantChoice, saved: Mapping[str, Any] | None) -> ResolvedAssistant:
    """The assistant that `choice` describes.

    Args:
        choice: the request's side; exactly one of its modes.
        saved: the saved document (secrets in clear) where `choice.assistant_id` names one.

    Raises:
        InvalidField: a block is missing or wrong after merging; named as the client would write it.
    """
    base = choice.transient if saved is None else saved
    merged = patch_config({}, base or {})
    prefix = choice.transient_param if saved is None else ""
    if choice.override is not None:
        merged = patch_config(merged, choice.override)
        prefix = choice.override_param
    _check_blocks(merged, prefix)
    warnings = _without_unused_blocks(merged, prefix)
    return ResolvedAssistant(
        id=choice.assistant_id,
        name=merged.get("name"),
        config=merged,
        document=parse(Assistant, merged, prefix=prefix),
        greeting=_greeting(choice, merged),
        context=_said(choice.context),
        warnings=warnings,
    )


def _check_blocks(merged: Mapping[str, Any], prefix: str) -> None:
    llm = merged.get("llm_config")
    if not llm:
        raise _missing("llm_config", prefix, "a call needs a language model")
    if llm.get("provider") in REALTIME:
        return
    for block in ("stt_config", "tts_config"):
        if not merged.get(block):
            raise _missing(block, prefix, f"provider {llm.get('provider')} needs speech engines beside it")


def _missing(block: str, prefix: str, why: str) -> InvalidField:
    param = f"{prefix}.{block}" if prefix else block
    return InvalidField(param, f"{param} is required: {why}.", code="required_field")


def _without_unused_blocks(merged: dict[str, Any], prefix: str) -> tuple[str, ...]:
    provider = merged["llm_config"].get("provider")
    if provider not in REALTIME:
        return ()
    unused = [block for block in ("stt_config", "tts_config") if merged.pop(block, None) is not None]
    dot = f"{prefix}." if prefix else ""
    return tuple(f"{dot}{block} was ignored: {provider} hears and speaks by itself." for block in unused)


def _greeting(choice: AssistantChoice, merged: Mapping[str, Any]) -> str | None:
    candidates = (
        choice.first_message,
        (choice.override or {}).get("first_message"),
        (merged.get("speech_config") or {}).get("first_message_outbound"),
        merged.get("first_message"),
    )
    return next((text for text in map(_said, candidates) if text is not None), None)


def _said(text: str | None) -> str | None:
    return text if text and text.strip() else None
