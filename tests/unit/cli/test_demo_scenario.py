"""The demo's commands come when what they wait for was heard, and never twice."""

from __future__ import annotations

from typing import Any

from trunkline.cli.demo.scenario import HANDOVER, NEWS, NOTICE, Story, due, moments

AGENT = "+31201000013"


def said(role: str, content: str, *, interrupted: bool = False) -> dict[str, Any]:
    return {"type": "transcript", "data": {"role": role, "content": content, "interrupted": interrupted}}


def fired(events: list[dict[str, Any]]) -> list[str]:
    """The commands in their order, each after the event that made it due."""
    story, script, names = Story(), moments(AGENT), []
    for event in events:
        story.hear(event)
        while (moment := due(story, script)) is not None:
            names.append(f"{moment.name} after {event['data'].get('content', event['type'])}")
    return names


def test_each_command_follows_what_was_heard() -> None:
    """After the answer to the barge-in comes the news, after the news the notice, after the caller's wish the transfer."""
    talk = [
        {"type": "in-progress", "data": {}},
        said("assistant", "Hello."),
        said("user", "An appointment please."),
        said("assistant", "You take the tram", interrupted=True),
        {"type": "barge_in", "data": {"stop_ms": 180, "heard": "You take the tram"}},
        said("user", "Sorry, stop. Is parking free?"),
        said("assistant", "Parking is free."),
        said("assistant", NEWS),
        said("assistant", NOTICE),
        said("user", "I want a person please."),
        said("assistant", HANDOVER),
    ]

    assert fired(talk) == [
        "inject-context after Parking is free.",
        f"say after {NEWS}",
        "transfer after I want a person please.",
    ]


def test_nothing_is_commanded_while_nobody_interrupted() -> None:
    """Without a barge-in the news never comes; the demo then fails by name."""
    assert (
        fired([said("assistant", "Hello."), said("user", "Hi."), said("assistant", "How can I help?")]) == []
    )


def test_a_caller_who_asks_early_is_transferred() -> None:
    """A wish for a human is not left waiting for the rest of the play."""
    assert fired([said("assistant", "Hello."), said("user", "I would like to talk to a human please.")]) == [
        "transfer after I would like to talk to a human please."
    ]


def test_story_keeps_what_the_events_told() -> None:
    """Barge-ins, turns, transfer and end are kept; unknown events change nothing."""
    story = Story()
    for event in (
        {"type": "turn", "data": {"turn": 1}},
        {"type": "barge_in", "data": {"stop_ms": 140}},
        {"type": "barge_in", "data": {"stop_ms": None}},
        {"type": "transferred", "data": {"destination": AGENT}},
        {"type": "something-new", "data": {}},
        {"type": "ended", "data": {"end_reason": "transferred"}},
    ):
        story.hear(event)

    assert (story.turns, story.barge_in_stop_ms, story.transferred, story.ended) == (
        [{"turn": 1}],
        [140.0],
        True,
        {"end_reason": "transferred"},
    )
