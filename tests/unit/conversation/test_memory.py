"""What is remembered is what was heard."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from trunkline.conversation.latency import TurnLatency
from trunkline.conversation.memory import Memory, cut_to_heard
from trunkline.engines.port import ChatMessage, ToolCall

CALL = ToolCall("c1", "look_up", "{}")


def test_model_and_record_see_the_same_talk_differently() -> None:
    """The prompt and the tools are the model's; times are the record's."""
    memory = Memory([ChatMessage("system", "Be kind.")])
    memory.add_user("Hello.", 100, 600)
    memory.add_context("It rains.", 700)
    memory.add_reply([ChatMessage("assistant", "Hi there.")], "Hi there.", 1000, 1500, interrupted=False)

    assert [(m.role, m.content) for m in memory.messages("And now?")] == [
        ("system", "Be kind."),
        ("user", "Hello."),
        ("system", "It rains."),
        ("assistant", "Hi there."),
        ("user", "And now?"),
    ]
    assert [line.as_json() for line in memory.lines()][-1] == {
        "role": "assistant",
        "content": "Hi there.",
        "start_ms": 1000,
        "end_ms": 1500,
        "interrupted": False,
    }
    assert [m.role for m in memory.messages()][-1] == "assistant"


def test_lines_are_in_the_order_in_which_they_began() -> None:
    """A reply ends after the caller began to interrupt it."""
    memory = Memory([])
    memory.add_user("Stop.", 2000, 2400)
    memory.add_reply([ChatMessage("assistant", "Once upon")], "Once upon", 1000, 2300, interrupted=True)

    assert [line.role for line in memory.lines()] == ["assistant", "user"]


def test_reply_with_tools_is_cut_in_its_texts_only() -> None:
    """A tool that ran, ran; the text after it that nobody heard is gone."""
    entries = [
        ChatMessage("assistant", "Let me look.", tool_calls=(CALL,)),
        ChatMessage("tool", "42", tool_call_id="c1"),
        ChatMessage("assistant", "It is forty two."),
    ]

    assert cut_to_heard(entries, "Let me look. It is") == (
        *entries[:2],
        ChatMessage("assistant", "It is"),
    )
    assert cut_to_heard(entries, "Let") == (
        ChatMessage("assistant", "Let", tool_calls=(CALL,)),
        entries[1],
    )


def test_tool_call_without_result_is_forgotten() -> None:
    """A chat server refuses a history with a call that was never answered."""
    assert cut_to_heard([ChatMessage("assistant", "Let me look.", tool_calls=(CALL,))], "Let me") == (
        ChatMessage("assistant", "Let me"),
    )


@given(st.lists(st.lists(st.sampled_from("abc"), min_size=1), max_size=5), st.data())
def test_texts_of_a_cut_reply_are_what_was_heard(texts: list[list[str]], data: st.DataObject) -> None:
    """Joined, they are the heard words, no more and no less."""
    words = [word for text in texts for word in text]
    heard = words[: data.draw(st.integers(0, len(words)))]
    entries = [ChatMessage("assistant", " ".join(text)) for text in texts]

    assert " ".join(entry.content for entry in cut_to_heard(entries, " ".join(heard))).split() == heard


def test_latency_counts_from_the_end_of_speech_and_keeps_the_first_time() -> None:
    """What was ready before the caller had finished counts as 0; a stage that was not passed is null."""
    latency = TurnLatency(3, "turn", origin_s=10.0, answered_s=2.0)
    latency.note("first_token", 9.9)
    latency.note("first_frame", 10.45)
    latency.note("first_frame", 12.0)
    latency.barge_in_s, latency.silent_s = 13.0, 13.31

    assert latency.as_json() == {
        "turn": 3,
        "kind": "turn",
        "speech_end_ms": 8000,
        "final_text_ms": None,
        "end_of_turn_ms": None,
        "request_ms": None,
        "first_token_ms": 0,
        "first_audio_ms": None,
        "first_frame_ms": 450,
        "first_mark_ms": None,
        "barge_in_stop_ms": 310,
    }
