"""A repeated POST does nothing twice."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from api_house import DIAL, WITH_OTHER_KEY, House

from trunkline.core.errors import UpstreamError

KEYED = {"Idempotency-Key": "6f1c1d0e"}


async def test_the_first_answer_is_replayed(house: House) -> None:
    """Same key and body: same call, same status, marked as replayed."""
    first = await house.post("/calls/outbound", DIAL, headers=KEYED)
    again = await house.post("/calls/outbound", DIAL, headers=KEYED)

    assert (again.status, again.body) == (first.status, first.body)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first.headers
    assert house.calls.placed == 1


async def test_the_body_counts_by_its_value(house: House) -> None:
    """Spaces and the order of fields make no other body; both bases are one endpoint."""
    await house.post("/calls/outbound", DIAL, headers=KEYED)
    shuffled = json.dumps(dict(reversed(DIAL.items())), indent=4)
    again = await house.send(
        "POST", "/api/v1/calls/outbound", data=shuffled, headers={**KEYED, "Content-Type": "application/json"}
    )

    assert (again.status, house.calls.placed) == (200, 1)


async def test_another_body_is_refused(house: House) -> None:
    """422, and nothing is dialled."""
    await house.post("/calls/outbound", DIAL, headers=KEYED)
    other = await house.post("/calls/outbound", {**DIAL, "destination": "+31201234568"}, headers=KEYED)

    assert (other.status, other.body["code"], house.calls.placed) == (422, "idempotency_key_reused", 1)


async def test_a_repeat_while_the_first_runs_is_refused(house: House) -> None:
    """409; once the first is done, its answer."""
    house.calls.gate.clear()
    first = asyncio.create_task(house.post("/calls/outbound", DIAL, headers=KEYED))
    while not house.calls.waiting:
        await asyncio.sleep(0.01)
    early = await house.post("/calls/outbound", DIAL, headers=KEYED)
    house.calls.gate.set()
    answered = await first
    late = await house.post("/calls/outbound", DIAL, headers=KEYED)

    assert (early.status, early.body["code"]) == (409, "idempotency_key_in_use")
    assert (late.body, house.calls.placed) == (answered.body, 1)


async def test_many_at_once_make_one_call(house: House) -> None:
    """However they race."""
    answers = await asyncio.gather(*(house.post("/calls/outbound", DIAL, headers=KEYED) for _ in range(20)))

    assert house.calls.placed == 1
    assert {answer.status for answer in answers} <= {200, 409}
    assert len({answer.body["call_id"] for answer in answers if answer.status == 200}) == 1


@pytest.mark.parametrize(
    "body", [{**DIAL, "destination": "nope"}, {"destination": "+31201234567", "assistant_id": "unknown"}]
)
async def test_a_refused_request_keeps_nothing(house: House, body: dict[str, Any]) -> None:
    """After a 400 or 404 the key is free for the corrected request."""
    refused = await house.post("/calls/outbound", body, headers=KEYED)
    corrected = await house.post("/calls/outbound", DIAL, headers=KEYED)

    assert (refused.status in {400, 404}, corrected.status) == (True, 200)


@pytest.mark.parametrize("error", [UpstreamError("The PBX did not answer."), RuntimeError("a defect")])
async def test_a_failure_after_the_point_of_no_return_is_replayed(house: House, error: Exception) -> None:
    """The phone may have rung: a repeat gets the same failure and never dials again."""
    tried = []

    def fail() -> None:
        tried.append(1)
        raise error

    house.calls.before_dialling = fail
    first = await house.post("/calls/outbound", DIAL, headers=KEYED)
    again = await house.post("/calls/outbound", DIAL, headers=KEYED)

    assert first.status in {500, 502}
    assert (again.status, again.body) == (first.status, first.body)
    assert len(tried) == 1


async def test_keys_belong_to_an_organization_and_an_endpoint(house: House) -> None:
    """The same key elsewhere is another key."""
    call_id = (await house.post("/calls/outbound", DIAL, headers=KEYED)).body["call_id"]
    theirs = await house.post("/calls/outbound", DIAL, key=WITH_OTHER_KEY, headers=KEYED)
    await house.store.calls.update(call_id, status="in-progress")
    control = await house.post(f"/calls/{call_id}/control", {"type": "mute"}, headers=KEYED)

    assert theirs.body["call_id"] != call_id
    assert control.status == 200


async def test_a_command_is_carried_out_once(house: House) -> None:
    """Keys work on every POST."""
    call_id = await house.dial()
    await house.store.calls.update(call_id, status="in-progress")  # type: ignore[arg-type]
    answers = [
        await house.post(f"/calls/{call_id}/control", {"type": "send-dtmf", "digits": "1"}, headers=KEYED)
        for _ in range(2)
    ]

    assert [answer.status for answer in answers] == [200, 200]
    assert len(house.calls.commands) == 1


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, "schlüssel"])
async def test_a_key_is_printable_ascii_up_to_255(house: House, key: str) -> None:
    """400 naming the header."""
    answered = await house.post("/calls/outbound", DIAL, headers={"Idempotency-Key": key})

    assert (answered.status, answered.body["param"]) == (400, "Idempotency-Key")
