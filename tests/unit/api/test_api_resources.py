"""Assistants, numbers and trunks over HTTP: envelopes, aliases, create to delete."""

from __future__ import annotations

from typing import Any

import pytest
from api_house import ASSISTANT, WITH_OTHER_KEY, House

TRUNK = {
    "name": "Main",
    "provider": "Example",
    "address": "sip.example.com:5070",
    "auth_username": "u",
    "auth_password": "hunter2",
}
NUMBER = {"phone_number": "+31207654321"}
RESOURCES = {
    "/assistants": ({"name": "Desk", **ASSISTANT}, ("assistant",), ("assistants",)),
    "/agents": ({"name": "Desk", **ASSISTANT}, ("agent", "assistant"), ("agents", "assistants")),
    "/numbers": (NUMBER, ("number",), ("numbers",)),
    "/sip-trunks": (TRUNK, ("trunk", "sip_trunk"), ("trunks",)),
}


@pytest.fixture(params=sorted(RESOURCES))
def kind(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any], tuple[str, ...], tuple[str, ...]]:
    return (request.param, *RESOURCES[request.param])


async def test_its_life(
    house: House, kind: tuple[str, dict[str, Any], tuple[str, ...], tuple[str, ...]]
) -> None:
    """Created 201, listed, got, patched and deleted, in the documented envelopes."""
    path, body, one, many = kind
    created = await house.post(path, body)
    assert (created.status, tuple(created.body)) == (201, one)
    made = created.body[one[0]]
    assert all(created.body[name] == made for name in one)
    assert created.headers["Location"] == f"{path}/{made['id']}"

    listed, got = await house.get(path), await house.get(f"{path}/{made['id']}")
    assert tuple(listed.body) == many
    assert [found["id"] for found in listed.body[many[0]]] == [made["id"]]
    assert got.body[one[0]]["id"] == made["id"]

    patched = await house.send("PATCH", f"{path}/{made['id']}", json={"name": "Other"})
    assert (patched.status, patched.body[one[0]]["name"]) == (200, "Other")

    deleted = await house.send("DELETE", f"{path}/{made['id']}")
    assert (deleted.status, deleted.body) == (200, {"success": True})
    assert (await house.get(f"{path}/{made['id']}")).status == 404
    assert (await house.send("DELETE", f"{path}/{made['id']}")).status == 404


async def test_it_is_nobody_elses(
    house: House, kind: tuple[str, dict[str, Any], tuple[str, ...], tuple[str, ...]]
) -> None:
    """Another organization neither lists, gets, changes nor deletes it."""
    path, body, one, many = kind
    made = (await house.post(path, body)).body[one[0]]
    there = f"{path}/{made['id']}"

    assert (await house.get(path, key=WITH_OTHER_KEY)).body[many[0]] == []
    for method, request in (("GET", {}), ("PATCH", {"json": {"name": "x"}}), ("DELETE", {})):
        assert (await house.send(method, there, key=WITH_OTHER_KEY, **request)).status == 404
    assert (await house.get(there)).status == 200


async def test_secrets_are_never_answered(house: House) -> None:
    """A trunk's password and a webhook's secret stay here."""
    trunk = await house.post("/sip-trunks", TRUNK)
    assistant = await house.post("/assistants", {"name": "Desk", "webhook_secret": "whsec_hunter3"})

    assert "hunter2" not in trunk.text
    assert trunk.body["trunk"]["has_password"] is True
    assert "hunter3" not in assistant.text


async def test_a_name_is_enough_for_an_assistant(house: House) -> None:
    """Everything else has its documented default."""
    made = (await house.post("/assistants", {"name": "Desk"})).body["assistant"]

    assert (made["is_active"], made["max_duration_seconds"]) == (True, 600)


async def test_numbers_know_their_assistant_and_trunk(house: House) -> None:
    """By id and by name, in both spellings."""
    assistant = (await house.post("/assistants", {"name": "Desk", "business_name": "Clinic"})).body[
        "assistant"
    ]
    trunk = (await house.post("/sip-trunks", TRUNK)).body["trunk"]
    number = await house.post(
        "/numbers", {**NUMBER, "agent_id": assistant["id"], "transfer_trunk_id": trunk["id"]}
    )

    shown = number.body["number"]
    assert shown["assistant_id"] == shown["agent_id"] == assistant["id"]
    assert (shown["agent_name"], shown["business_name"], shown["transfer_trunk_name"]) == (
        "Desk",
        "Clinic",
        "Main",
    )
    assert (await house.send("DELETE", f"/sip-trunks/{trunk['id']}")).status == 409
    assert (await house.send("DELETE", f"/assistants/{assistant['id']}")).status == 409
    cleared = await house.send("PATCH", f"/numbers/{shown['id']}", json={"assistant_id": None})
    assert cleared.body["number"]["assistant_id"] is None


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/assistants", {}, 400),
        ("/assistants", {"name": "x", "max_duration_seconds": 9}, 400),
        ("/assistants", {"name": "x", "stt_config": {"provider": "whisper"}}, 400),
        ("/numbers", {}, 400),
        ("/numbers", {"phone_number": "020 765"}, 400),
        ("/numbers", {**NUMBER, "assistant_id": "nope"}, 404),
        ("/numbers", {**NUMBER, "transfer_trunk_id": "nope"}, 404),
        ("/sip-trunks", {"name": "x", "provider": "y"}, 400),
        ("/sip-trunks", {**TRUNK, "transport": "carrier-pigeon"}, 400),
    ],
)
async def test_what_cannot_be_is_refused(house: House, path: str, body: dict[str, Any], status: int) -> None:
    """400 naming the field, 404 for what it refers to."""
    answered = await house.post(path, body)

    assert answered.status == status
    assert "param" in answered.body or status == 404


async def test_a_number_exists_once(house: House) -> None:
    """409 for a duplicate."""
    await house.post("/numbers", NUMBER)
    again = await house.post("/numbers", NUMBER)

    assert (again.status, again.body["code"]) == (409, "already_exists")


async def test_a_repeated_create_makes_one(house: House) -> None:
    """Idempotency keys work on every POST, and the replay is 201, too."""
    answers = [await house.post("/numbers", NUMBER, headers={"Idempotency-Key": "n"}) for _ in range(2)]

    assert [answer.status for answer in answers] == [201, 201]
    assert answers[0].body == answers[1].body


async def test_a_trunk_is_tested(house: House) -> None:
    """The answer tells whether the carrier can be reached."""
    trunk = (await house.post("/sip-trunks", TRUNK)).body["trunk"]
    tested = await house.post(f"/sip-trunks/{trunk['id']}/test")

    assert (tested.status, tested.body["success"]) == (200, True)
    assert tested.body["trunk"]["status"]["reachable"] is True
    assert (await house.post("/sip-trunks/unknown/test")).status == 404
