"""Calls in the store."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from trunkline.core.clock import ManualClock
from trunkline.core.errors import Conflict, NotFound
from trunkline.core.ids import CallId, OrganizationId
from trunkline.store.rows import CallRow, IdempotencyRow
from trunkline.store.store import Store

START = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
A, B = OrganizationId("org-a"), OrganizationId("org-b")


def call(call_id: str = "call-outbound-1", org: OrganizationId = A, **more: Any) -> CallRow:
    return CallRow(
        CallId(call_id), org, "outbound", "connecting", **{"created_at": START, "updated_at": START, **more}
    )


async def test_a_stored_call_comes_back_as_it_was(store: Store) -> None:
    """JSON, times with microseconds and zone, nulls and empty lists survive the way to disk and back."""
    row = call(
        metadata={"é": [1, None, {"x": "\x00"}]},
        messages=[{"role": "user", "content": "hi"}],
        started_at=START + timedelta(microseconds=1),
        duration_seconds=1.25,
        hangup={"q850": 16, "sip": None, "cause": "normal_clearing"},
    )
    await store.calls.insert(row)

    assert row == await store.calls.get(A, row.id)


async def test_a_metadata_of_none_is_null_in_sql(store: Store) -> None:
    """ "No metadata" and JSON null are the same thing to a reader."""
    await store.calls.insert(call())

    assert (await store.calls.get(A, "call-outbound-1")).metadata is None


async def test_another_organization_does_not_see_the_call(store: Store) -> None:
    """A foreign id is answered as an unknown one."""
    await store.calls.insert(call())

    with pytest.raises(NotFound):
        await store.calls.get(B, "call-outbound-1")
    assert await store.calls.list(B) == ([], 0)


async def test_an_id_is_taken_once(store: Store) -> None:
    """A second call with the same id is refused and the first one kept."""
    await store.calls.insert(call())

    with pytest.raises(Conflict, match="call with this id"):
        await store.calls.insert(call(error="second"))
    assert (await store.calls.get(A, "call-outbound-1")).error is None


async def test_update_returns_the_row_as_it_is_now(store: Store, clock: ManualClock) -> None:
    """`updated_at` follows without being named."""
    await store.calls.insert(call())
    clock.advance(5)

    row = await store.calls.update(CallId("call-outbound-1"), status="in-progress", started_at=START)

    assert ("in-progress", START, START + timedelta(seconds=5)) == (
        row.status,
        row.started_at,
        row.updated_at,
    )


async def test_a_call_ends_exactly_once(store: Store) -> None:
    """Of many endings at once one is kept, whole."""
    await store.calls.insert(call())
    endings = ["user_hangup", "error", "no_answer", "busy"] * 5

    won = await asyncio.gather(
        *(store.calls.end(CallId("call-outbound-1"), status="ended", end_reason=r, error=r) for r in endings)
    )

    row = await store.calls.get(A, "call-outbound-1")
    assert won.count(True) == 1
    assert endings[won.index(True)] == row.end_reason == row.error


async def test_an_ended_call_keeps_its_status_but_takes_a_summary(store: Store) -> None:
    """What comes late may be added; the ending stays."""
    await store.calls.insert(call())
    await store.calls.end(CallId("call-outbound-1"), status="failed", error="busy")

    with pytest.raises(Conflict):
        await store.calls.update(CallId("call-outbound-1"), status="in-progress")
    row = await store.calls.update(CallId("call-outbound-1"), summary="short")
    assert (row.status, row.summary) == ("failed", "short")


async def test_update_refuses_what_may_not_change(store: Store) -> None:
    """A misspelt column or an ending through the wrong door is a defect of ours, told at once."""
    await store.calls.insert(call())

    for changes in ({"sumary": "x"}, {"id": "x"}, {"organization_id": "org-b"}, {"status": "ended"}):
        with pytest.raises(ValueError):
            await store.calls.update(CallId("call-outbound-1"), **changes)
    with pytest.raises(ValueError):
        await store.calls.end(CallId("call-outbound-1"), status="in-progress")
    with pytest.raises(NotFound):
        await store.calls.update(CallId("call-outbound-9"), summary="x")
    assert not await store.calls.end(CallId("call-outbound-9"), status="ended")


async def test_the_list_is_newest_first_and_paged(store: Store) -> None:
    """Total counts all that match, not the page; equal times are ordered by id, so that pages never overlap."""
    for index in range(10):
        await store.calls.insert(
            call(f"call-outbound-{index}", created_at=START + timedelta(seconds=index // 2))
        )

    first, total = await store.calls.list(A, limit=4)
    second, _ = await store.calls.list(A, limit=4, offset=4)
    third, _ = await store.calls.list(A, limit=4, offset=8)

    ids = [row.id.rsplit("-", 1)[1] for row in [*first, *second, *third]]
    assert (list("9876543210"), 10) == (ids, total)


async def test_the_list_filters_by_status_and_by_inclusive_dates(store: Store) -> None:
    """Both ends belong to the range, to the microsecond."""
    for index in range(4):
        await store.calls.insert(
            call(f"call-outbound-{index}", created_at=START + timedelta(microseconds=index))
        )
    await store.calls.end(CallId("call-outbound-2"), status="ended")

    async def ids(**filters: Any) -> list[str]:
        return [row.id[-1] for row in (await store.calls.list(A, **filters))[0]]

    assert await ids(status="ended") == ["2"]
    assert await ids(start=START + timedelta(microseconds=1), end=START + timedelta(microseconds=2)) == [
        "2",
        "1",
    ]
    assert await ids(
        start=START + timedelta(microseconds=1), end=START + timedelta(microseconds=2), status="connecting"
    ) == ["1"]


async def test_live_calls_are_those_of_the_node_and_those_without_one(store: Store) -> None:
    """After a crash, nobody's call is forgotten."""
    for index, node in enumerate(["pbx-1", "pbx-2", None, "pbx-1"]):
        await store.calls.insert(
            call(f"call-outbound-{index}", node=node, created_at=START + timedelta(seconds=index))
        )
    await store.calls.end(CallId("call-outbound-3"), status="failed")

    assert [row.id[-1] for row in await store.calls.live("pbx-1")] == ["0", "2"]
    assert [row.id[-1] for row in await store.calls.live()] == ["0", "1", "2"]


async def test_a_call_and_its_idempotent_answer_are_stored_together(store: Store) -> None:
    """Either both are there or neither is."""
    answer = IdempotencyRow(A, "POST /calls/outbound", "k", "sha", START, 200, "{}")
    assert await store.idempotency.claim(replace(answer, status=None, body=None)) is None

    await store.calls.insert(call(), answer)
    with pytest.raises(Conflict):
        await store.calls.insert(call("call-outbound-2"), replace(answer, body_sha256="other"))

    assert answer == await store.idempotency.find(answer)
    assert await store.calls.find(CallId("call-outbound-2")) is None
