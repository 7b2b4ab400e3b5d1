"""The flow engine: documents, understanding, slots, and talks from end to end."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trunkline.core.errors import InvalidField
from trunkline.engines.flow.builtin import built_in_flow, built_in_names
from trunkline.engines.flow.document import Intent, Slot, flow_schema, parse_flow
from trunkline.engines.flow.model import FlowModel
from trunkline.engines.flow.slots import digits_in, find, take
from trunkline.engines.flow.speech import as_settings, as_speech
from trunkline.engines.flow.words import likeness
from trunkline.engines.port import ChatMessage, ChatRequest, TextDelta, ToolCall, ToolSpec
from trunkline.local_pbx.subscribers import subscriber

TRANSFER = ToolSpec(
    "transfer_call",
    "",
    {
        "type": "object",
        "properties": {"destination": {"type": "string", "enum": ["+31201000013", "+31201000099"]}},
        "required": ["destination"],
    },
)
END = ToolSpec("end_call", "")


class Talk:
    """A conversation with a flow, as a conversation's memory would have it."""

    def __init__(
        self,
        flow: str | dict[str, Any] = "receptionist",
        tools: Sequence[ToolSpec] = (TRANSFER, END),
        greeting: str | None = "Good day.",
    ) -> None:
        self.model = FlowModel(built_in_flow(flow) if isinstance(flow, str) else parse_flow(flow))
        self.tools = tools
        self.memory = [ChatMessage("system", "You are a receptionist.")]
        self.calls: list[ToolCall] = []
        if greeting:
            self.memory.append(ChatMessage("assistant", greeting))

    async def reply(self, heard: str | None = None) -> str:
        """The reply to the memory as it is; `heard` of it is what the caller got to hear, all of it by default."""
        parts = [part async for part in self.model.reply(ChatRequest(tuple(self.memory), self.tools))]
        said = "".join(part.text for part in parts if isinstance(part, TextDelta))
        self.calls = [part for part in parts if isinstance(part, ToolCall)]
        kept = said if heard is None else heard
        if kept or self.calls:
            self.memory.append(ChatMessage("assistant", kept, tool_calls=tuple(self.calls)))
        return said

    async def say(self, text: str, heard: str | None = None) -> str:
        self.memory.append(ChatMessage("user", text))
        return await self.reply(heard)

    async def inject(self, content: str) -> str:
        self.memory.append(ChatMessage("system", content))
        return await self.reply()


# --- the demo's talk --------------------------------------------------------------------------------------------------


async def test_the_demo_caller_books_an_appointment() -> None:
    """The lines of the carrier's demo subscriber lead through the whole receptionist."""
    lines = [line.text for line in subscriber("demo").lines]
    talk = Talk()

    assert "your name" in await talk.say(lines[0])
    assert "Anna Fisher" in (asked := await talk.say(lines[1]))
    assert "day and time" in asked
    booked = await talk.say(lines[2])
    assert "booked your appointment on Friday at ten in the morning" in booked
    # Some 15 characters are spoken in a second: a barge-in needs an answer of ten seconds and more.
    assert len(booked) > 300
    talk.memory[-1] = ChatMessage("assistant", booked[:90])
    assert "parking is free" in await talk.say(lines[3])
    assert "colleague" in await talk.say(lines[4])
    assert [(call.name, json.loads(call.arguments)) for call in talk.calls] == [
        ("transfer_call", {"destination": "+31201000013"})
    ]


@pytest.mark.parametrize("key", ["talker", "interrupter"])
async def test_other_subscribers_are_understood(key: str) -> None:
    """None of the carrier's talking subscribers meets "I did not understand"."""
    talk = Talk()
    for line in subscriber(key).lines:
        assert "did not understand" not in await talk.say(line.text)


async def test_whisper_writes_figures_and_they_are_understood() -> None:
    """ "10 a.m." is a time as "ten in the morning" is."""
    talk = Talk()
    await talk.say("I'd like to book an appointment.")
    await talk.say("It's Anna Fisher.")

    assert "on Tuesday at 10 am" in await talk.say("Tuesday at 10 a.m. please.")


async def test_everything_at_once_is_taken_at_once() -> None:
    """What was said already is not asked again."""
    talk = Talk()
    said = await talk.say(
        "Hello, my name is Anna Price and I want to book an appointment for tomorrow at 3 p.m."
    )

    assert "I have booked your appointment tomorrow at 3 pm" in said
    assert "Anna Price" in said


async def test_a_name_that_is_a_word_is_still_a_name() -> None:
    """Mr Park does not ask about parking, nor Mrs Price about prices."""
    talk = Talk()
    await talk.say("I want to book an appointment.")

    assert "John Park" in await talk.say("My name is John Park.")


async def test_a_question_in_between_is_answered_and_the_open_one_asked_again() -> None:
    """Nobody is pushed through a form."""
    talk = Talk()
    await talk.say("I want to book an appointment.")
    said = await talk.say("Is parking free?")

    assert said.startswith("Yes, parking is free")
    assert said.endswith("What is your name, please?")


async def test_pardon_says_the_last_reply_again() -> None:
    """All of it, also where the caller heard its beginning only."""
    talk = Talk()
    said = await talk.say("Where are you?", heard="We are at twelve")

    assert await talk.say("Sorry, could you repeat that?") == said


async def test_three_times_not_understood_goes_to_a_human() -> None:
    """The flow gives up before the caller does."""
    talk = Talk()
    replies = [await talk.say(text) for text in ("Blub.", "Blab blab.", "Blib.")]

    assert "other words" in replies[0]
    assert [call.name for call in talk.calls] == ["transfer_call"]


async def test_without_the_tool_the_flow_says_so() -> None:
    """A tool that the assistant does not have is not called."""
    talk = Talk(tools=())
    for text in ("Blub.", "Blab blab.", "Blib."):
        said = await talk.say(text)

    assert "still do not understand" in said
    assert talk.calls == []


async def test_goodbye_ends_the_call() -> None:
    """Thanks before it do not hide it."""
    talk = Talk()
    said = await talk.say("Thank you very much. Goodbye.")

    assert said == "Thank you for calling Harbour Dental. Goodbye!"
    assert [call.name for call in talk.calls] == ["end_call"]


# --- memory, speculation, barge-in ------------------------------------------------------------------------------------


async def test_a_reply_that_was_never_heard_did_not_happen() -> None:
    """A reply made on a pause is discarded when the caller goes on: the whole sentence counts, once."""
    talk = Talk()
    await talk.say("I want to book an appointment.")
    await talk.say("My name is", heard="")
    talk.memory[-1] = ChatMessage("user", "My name is Anna Fisher.")

    assert "Anna Fisher" in await talk.reply()


async def test_what_is_said_in_two_pieces_is_one_turn() -> None:
    """Nothing was heard in between: the pieces belong together."""
    talk = Talk()
    await talk.say("I want to book an appointment.")
    await talk.say("My name is Anna Fisher.", heard="")

    assert "on Tuesday at ten" in await talk.say("Tuesday at ten.")


async def test_a_fresh_model_knows_where_the_talk_is() -> None:
    """Position follows from memory alone: another process can go on with the call."""
    talk = Talk()
    await talk.say("I want to book an appointment.")
    await talk.say("My name is Anna Fisher.")
    talk.model = FlowModel(built_in_flow("receptionist"))

    assert "booked" in await talk.say("Tuesday at ten.")


async def test_the_flow_can_have_the_first_word() -> None:
    """Without a greeting of the assistant the first state's text is one."""
    talk = Talk(greeting=None)

    assert await talk.reply() == "Good day, this is Harbour Dental. How can I help you?"
    assert "your name" in await talk.say("I want to book an appointment.")


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                "I want to book.",
                "My name is Bo.",
                "Monday.",
                "At nine.",
                "No.",
                "Yes.",
                "Stop.",
                "Pardon?",
                "Blub.",
                "Cancel.",
                "",
                "...",
                "\u4f60\u597d",
                "a" * 3_000,
            ]
        ),
        max_size=12,
    )
)
async def test_every_talk_gets_answers(lines: list[str]) -> None:
    """Whatever is said, there is a reply, and the same talk computed anew is in the same place."""
    talk = Talk()
    for line in lines:
        assert await talk.say(line)
    parts = [
        part
        async for part in FlowModel(built_in_flow("receptionist")).reply(
            ChatRequest((*talk.memory, ChatMessage("user", "Pardon?")))
        )
    ]

    assert "".join(part.text for part in parts if isinstance(part, TextDelta)) == await talk.say("Pardon?")


# --- context from outside ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("Tell the caller that parking is closed today.", "Parking is closed today."),
        ("Please let the customer know that they are next in line", "You are next in line."),
        ("Inform the caller: the dentist is late!", "The dentist is late!"),
        ("say: We close at noon", "We close at noon."),
        ('Say "hello" to them', 'Hello" to them.'),
        ("Ask the caller for their e-mail address.", "Could you give me your e-mail address?"),
        ("Ask the patient whether they have insurance.", "Could you tell me whether you have insurance?"),
        ("Ask the caller to hold on.", "Could you please hold on?"),
        ("The practice closes at noon on Friday", "The practice closes at noon on Friday."),
        ("Say hello to our new dentist.", "Say hello to our new dentist."),
    ],
)
def test_context_becomes_a_sentence_for_the_caller(content: str, said: str) -> None:
    """Orders to say something say it; everything else is said as it stands."""
    assert as_speech(content) == said


async def test_injected_context_is_told_and_the_open_question_asked_again() -> None:
    """With `trigger_response` the newest message is the context: it is answered at once."""
    talk = Talk()
    await talk.say("I want to book an appointment.")

    assert await talk.inject("Tell the caller that the practice closes at noon on Friday.") == (
        "The practice closes at noon on Friday. What is your name, please?"
    )
    assert "Anna Fisher" in await talk.say("My name is Anna Fisher.")


async def test_context_without_a_trigger_waits_and_sets_slots() -> None:
    """`key=value` lines are known from then on; other text is not read out later."""
    talk = Talk()
    talk.memory.append(ChatMessage("system", "name=Anna Fisher\nThe caller is in a hurry."))
    said = await talk.say("I want to book an appointment.")

    assert "day and time" in said
    assert "hurry" not in said


async def test_settings_with_a_trigger_move_the_talk_on() -> None:
    """Slots that come from outside are not asked for."""
    talk = Talk()
    await talk.say("I want to book an appointment.")

    assert "Which day" in await talk.inject("name=Anna Fisher")


def test_settings_are_told_from_prose() -> None:
    """Only lines that are nothing but key=value are settings."""
    assert as_settings("a=1\nTwo = words here\nname = Anna Fisher\n\nE = mc2 is famous") == (
        {"a": "1", "name": "Anna Fisher"},
        "Two = words here E = mc2 is famous",
    )


# --- tools ------------------------------------------------------------------------------------------------------------

LOOKUP: dict[str, Any] = {
    "name": "orders",
    "start": "ask",
    "slots": {"number": {"type": "digits", "ask": "What is your order number?"}},
    "intents": {"state": {"keywords": ["where * order"]}},
    "states": {"ask": {"collect": ["number"], "say": "Thank you.", "next": "ready"}, "ready": {"answers": [{"intent": "state", "say": "Let me see.", "call": {"tool": "look_up", "arguments": {"order": "{number}"}, "then": "Your order is {result}.", "failed": "I can't see it."}}]}},
}  # fmt: skip
LOOK_UP = ToolSpec("look_up", "")


@pytest.mark.parametrize(
    ("result", "said"),
    [
        ("on its way", "Your order is on its way."),
        ('{"result": "packed"}', "Your order is packed."),
        ('{"state": "sent", "by": "ship"}', "Your order is sent, ship."),
        ('{"error": "timeout"}', "I can't see it."),
    ],
)
async def test_a_tool_is_called_with_slots_and_its_result_is_told(result: str, said: str) -> None:
    """Arguments hold what was understood; results come as text or JSON."""
    talk = Talk(LOOKUP, (LOOK_UP,), greeting="What is your order number?")
    assert await talk.say("It is four two double seven.") == "Thank you."
    assert await talk.say("Where is my order?") == "Let me see."
    call = talk.calls[0]
    assert (call.name, json.loads(call.arguments)) == ("look_up", {"order": "4277"})
    talk.memory.append(ChatMessage("tool", result, tool_call_id=call.id))

    assert await talk.reply() == said


async def test_a_transfer_that_worked_needs_no_words() -> None:
    """After a result that nothing is to be said about the reply is empty."""
    talk = Talk()
    await talk.say("I need a human.")
    talk.memory.append(ChatMessage("tool", '{"status": "ok"}', tool_call_id=talk.calls[0].id))

    assert await talk.reply() == ""


# --- slots and intents ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "text", "found", "taken"),
    [
        ("name", "My name is Anna Fisher.", "Anna Fisher", "Anna Fisher"),
        ("name", "my name's anna fisher and I want to book", "Anna Fisher", "Anna Fisher"),
        ("name", "I am calling about a bill", None, None),
        ("name", "This is O'Brien speaking", "O'Brien", "O'Brien"),
        ("name", "Anna Fisher.", None, "Anna Fisher"),
        ("name", "Yes, sure.", None, None),
        ("name", "I do not want to tell you that", None, None),
        ("day", "Next Friday would be good", "next Friday", "next Friday"),
        ("day", "on the 3rd of March", "on the 3rd of March", "on the 3rd of March"),
        ("day", "March twenty-first please", "on March twenty-first", "on March twenty-first"),
        ("day", "The day after tomorrow.", "the day after tomorrow", "the day after tomorrow"),
        ("day", "I may come", None, None),
        ("time", "at half past three", "at half past three", "at half past three"),
        ("time", "10:30 a.m.", "at 10:30 am", "at 10:30 am"),
        ("time", "around noon", "at noon", "at noon"),
        ("time", "Thursday afternoon", "in the afternoon", "in the afternoon"),
        ("time", "ten", None, "at ten"),
        ("time", "I have two children", None, None),
        ("number", "twenty five people", None, "25"),
        ("number", "two hundred and six", None, "206"),
        ("digits", "oh six one two, double three", "061233", "061233"),
        ("digits", "one two", None, "12"),
        ("yes_no", "Yes, that's fine.", None, "yes"),
        ("yes_no", "No.", None, "no"),
        ("yes_no", "Maybe.", None, None),
        ("text", "  anything   at all ", None, "anything at all"),
    ],
)
def test_slots_are_found_where_said_and_taken_where_asked(
    kind: Any, text: str, found: str | None, taken: str | None
) -> None:
    """`find` wants it plainly said, `take` knows what was asked."""
    slot = Slot(type=kind, ask="?")

    assert (find(slot, text), take(slot, text)) == (found, taken)


def test_a_choice_is_found_by_its_keywords() -> None:
    """The value that was meant, whatever word was used for it."""
    slot = Slot(
        type="choice", ask="Which?", options={"check-up": ("routine", "check up"), "cleaning": ("hygien*",)}
    )

    assert [find(slot, text) for text in ("A routine visit", "the hygienist please", "a crown")] == [
        "check-up",
        "cleaning",
        None,
    ]


@given(st.text(max_size=400))
def test_digits_are_digits(text: str) -> None:
    """Whatever is said, only ASCII digits come out."""
    assert all(char in "0123456789" for char in digits_in(text))


@pytest.mark.parametrize(
    ("keyword", "sentence", "is_heard"),
    [
        ("book", "I want to book it", True),
        ("book", "I have a booking", False),
        ("book*", "I have a booking", True),
        ("change * appointment", "change my next appointment", True),
        ("change * appointment", "change to one two three four five appointment", False),
        ("check-up", "a check up please", True),
        ("what's up", "What\u2019s up?", True),
    ],
)
def test_keywords_are_words_in_order(keyword: str, sentence: str, is_heard: bool) -> None:
    """Whole words, `*` for up to four others, a trailing `*` for any ending."""
    assert (likeness(Intent(keywords=(keyword,)), sentence) > 0) is is_heard


def test_examples_match_by_resemblance() -> None:
    """Another order or a missing word is still the same wish; another wish is not."""
    intent = Intent(examples=("Where can I leave my car?",))

    assert likeness(intent, "where could I leave the car") > 0.72
    assert likeness(intent, "What does it cost to leave?") < 0.72


# --- documents --------------------------------------------------------------------------------------------------------


def test_shipped_flows_are_valid() -> None:
    """Each is found by its own name."""
    assert "receptionist" in built_in_names()
    for name in built_in_names():
        assert built_in_flow(name).name == name


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"start": "nowhere"}, "nowhere"),
        ({"states": {}}, "llm_config.flow.states"),
        ({"states": {"ask": {"next": "ask"}}}, "go round"),
        ({"states": {"ask": {"next": "b"}, "b": {"next": "ask"}}}, "go round"),
        ({"states": {"ask": {"answers": [{"intent": "unknown"}]}}}, "unknown"),
        ({"states": {"ask": {"collect": ["nothing"]}}}, "nothing"),
        ({"intents": {"empty": {}}}, "keywords or examples"),
        ({"slots": {"x": {"type": "colour", "ask": "?"}}}, "llm_config.flow.slots.x.type"),
        ({"extra": 1}, "llm_config.flow.extra"),
    ],
)
def test_a_wrong_document_is_told_where(change: dict[str, Any], where: str) -> None:
    """The error names the place, in the client's own words."""
    with pytest.raises(InvalidField, match=where):
        parse_flow({**LOOKUP, **change})


def test_an_unknown_built_in_flow_is_told_with_those_there_are() -> None:
    """The error lists what can be chosen."""
    with pytest.raises(InvalidField, match="receptionist"):
        built_in_flow("no_such_flow")
    with pytest.raises(InvalidField):
        built_in_flow("../../secrets")


def test_the_schema_documents_every_field() -> None:
    """JSON Schema for a flow, with words for whoever writes one."""
    schema = flow_schema()
    answer = schema["$defs"]["Answer"]["properties"]

    assert set(schema["required"]) == {"name", "start", "states"}
    assert all("description" in field for field in answer.values())
