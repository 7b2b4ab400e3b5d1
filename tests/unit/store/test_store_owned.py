"""Organizations, keys, assistants, trunks, numbers and idempotency keys in the store."""

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from trunkline.core.clock import ManualClock
from trunkline.core.errors import Conflict, NotFound
from trunkline.core.ids import OrganizationId, TrunkId
from trunkline.store.rows import ApiKeyRow, AssistantRow, IdempotencyRow, NumberRow, OrganizationRow, TrunkRow
from trunkline.store.store import Store

START = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
A, B = OrganizationId("org-a"), OrganizationId("org-b")
TRUNK = TrunkRow(TrunkId("t1"), A, "main", {"address": "sip.example.com"}, "sealed", START, START)
ASSISTANT = AssistantRow(
    "as1", A, "Ann", is_active=True, config={"first_message": "Hi"}, created_at=START, updated_at=START
)


def number(index: int, **more: Any) -> NumberRow:
    created = START + timedelta(seconds=index)
    plain = NumberRow(
        f"n{index}",
        A,
        f"+3120000000{index}",
        None,
        None,
        None,
        TrunkId("t1"),
        is_active=True,
        created_at=created,
        updated_at=START,
    )
    return replace(plain, **more)


async def test_rows_come_back_as_they_were(store: Store) -> None:
    """Insert, get and list agree."""
    await store.assistants.insert(ASSISTANT)
    await store.trunks.insert(TRUNK)
    await store.numbers.insert(number(1, assistant_id="as1"))

    assert await store.assistants.get(A, "as1") == ASSISTANT
    assert await store.trunks.list(A) == [TRUNK] == await store.trunks.everywhere()
    assert await store.numbers.by_phone_number("+31200000001") == number(1, assistant_id="as1")
    assert await store.numbers.by_phone_number("+31200000002") is None


async def test_other_organizations_neither_see_nor_change_nor_delete(store: Store) -> None:
    """A foreign id is an unknown one, for every verb."""
    await store.assistants.insert(ASSISTANT)

    for verb in (
        store.assistants.get(B, "as1"),
        store.assistants.update(B, "as1", name="x"),
        store.assistants.delete(B, "as1"),
    ):
        with pytest.raises(NotFound, match="no such assistant"):
            await verb
    assert await store.assistants.list(B) == []
    assert await store.assistants.list(A) == [ASSISTANT]


async def test_update_changes_what_is_named(store: Store, clock: ManualClock) -> None:
    """The rest stays, `updated_at` follows, and what may not change is refused."""
    await store.assistants.insert(ASSISTANT)
    clock.advance(1)

    changed = await store.assistants.update(A, "as1", name="Bea", config={"k": None})

    assert changed == replace(
        ASSISTANT, name="Bea", config={"k": None}, updated_at=START + timedelta(seconds=1)
    )
    with pytest.raises(ValueError):
        await store.assistants.update(A, "as1", created_at=START)


async def test_a_phone_number_exists_once(store: Store) -> None:
    """The conflict names the field."""
    await store.trunks.insert(TRUNK)
    await store.numbers.insert(number(1))
    await store.numbers.insert(number(2))

    with pytest.raises(Conflict, match="phone_number"):
        await store.numbers.insert(number(3, phone_number="+31200000001", organization_id=B))
    with pytest.raises(Conflict, match="phone_number"):
        await store.numbers.update(A, "n2", phone_number="+31200000001")


async def test_what_a_number_uses_can_not_be_deleted(store: Store) -> None:
    """First the number goes, then its trunk and assistant."""
    await store.trunks.insert(TRUNK)
    await store.assistants.insert(ASSISTANT)
    await store.numbers.insert(number(1, assistant_id="as1"))

    for in_use in (store.trunks.delete(A, "t1"), store.assistants.delete(A, "as1")):
        with pytest.raises(Conflict, match="in use"):
            await in_use
    await store.numbers.delete(A, "n1")
    await store.trunks.delete(A, "t1")
    await store.assistants.delete(A, "as1")
    assert await store.trunks.list(A) == []


async def test_numbers_take_turns(store: Store, clock: ManualClock) -> None:
    """The least recently used one calls; inactive ones and those without a trunk never do."""
    await store.trunks.insert(TRUNK)
    for row in (
        number(1),
        number(2, outbound_trunk_id=None, transfer_trunk_id=TrunkId("t1")),
        number(3, is_active=False),
        number(4, outbound_trunk_id=None),
        number(5, organization_id=B),
    ):
        await store.numbers.insert(row)
    taken = []
    for _ in range(4):
        clock.advance(1)
        row = await store.numbers.take(A)
        assert row is not None
        taken.append(row.id)
    clock.advance(1)
    await store.numbers.touch("n1")
    clock.advance(1)

    assert taken == ["n1", "n2", "n1", "n2"]
    again = await store.numbers.take(A)
    assert again is not None and (again.id, again.last_used_at) == ("n2", clock.now())
    assert await store.numbers.take(OrganizationId("org-none")) is None


async def test_numbers_are_shared_out_evenly_under_load(store: Store, clock: ManualClock) -> None:
    """Forty calls at once over four numbers: ten each, because taking is one statement."""
    await store.trunks.insert(TRUNK)
    for index in range(4):
        await store.numbers.insert(number(index))

    async def take() -> str:
        clock.advance(0.001)
        row = await store.numbers.take(A)
        assert row is not None
        return row.id

    assert Counter({f"n{i}": 10 for i in range(4)}) == Counter(
        await asyncio.gather(*(take() for _ in range(40)))
    )


async def test_keys_are_found_by_hash_touched_listed_and_revoked_once(
    store: Store, clock: ManualClock
) -> None:
    """A second revocation keeps the first one's time; a revoked key is still found, so that the log can name it."""
    key = ApiKeyRow("k1", A, "ci", "tl_abcd", "f" * 64, START)
    await store.api_keys.insert(key)
    clock.advance(1)
    await store.api_keys.touch("k1")
    clock.advance(1)
    first = await store.api_keys.revoke(A, "k1")
    clock.advance(1)
    second = await store.api_keys.revoke(A, "k1")

    expected = replace(
        key, last_used_at=START + timedelta(seconds=1), revoked_at=START + timedelta(seconds=2)
    )
    assert expected == first == second == await store.api_keys.find_by_sha256("f" * 64)
    assert [expected] == await store.api_keys.list(A)
    assert await store.api_keys.find_by_sha256("0" * 64) is None
    with pytest.raises(NotFound):
        await store.api_keys.revoke(B, "k1")
    with pytest.raises(Conflict, match="sha256"):
        await store.api_keys.insert(replace(key, id="k2"))


async def test_an_organization_and_its_first_key_are_stored_together(store: Store) -> None:
    """A key that can't be stored leaves no organization without one."""
    row = OrganizationRow(OrganizationId("org-c"), "C", START, A)
    key = ApiKeyRow("k1", row.id, "first", "tl_abcd", "f" * 64, START)
    await store.organizations.insert(row, key)

    with pytest.raises(Conflict):
        await store.organizations.insert(replace(row, id=OrganizationId("org-d")), replace(key, id="k2"))

    assert row == await store.organizations.get(row.id)
    assert sorted(one.name for one in await store.organizations.list()) == ["A", "B", "C"]
    assert await store.organizations.count() == 3
    with pytest.raises(NotFound):
        await store.organizations.get(OrganizationId("org-d"))


async def test_an_idempotency_key_is_claimed_once(store: Store) -> None:
    """The first claim wins, later ones see it; an answer is kept, a claim without one can be released."""
    row = IdempotencyRow(A, "POST /numbers", "k", "sha", START)

    claims = await asyncio.gather(*(store.idempotency.claim(row) for _ in range(10)))
    assert [None] + [row] * 9 == sorted(claims, key=lambda claim: claim is not None)

    await store.idempotency.release(row)
    assert await store.idempotency.claim(row) is None
    await store.idempotency.finish(row, status=201, body='{"a":1}')
    await store.idempotency.release(row)
    assert replace(row, status=201, body='{"a":1}') == await store.idempotency.claim(
        replace(row, body_sha256="other")
    )
    assert await store.idempotency.claim(replace(row, organization_id=B)) is None
    assert await store.idempotency.claim(replace(row, endpoint="POST /assistants")) is None


async def test_old_keys_and_abandoned_claims_are_forgotten(store: Store) -> None:
    """A process that died between claim and answer doesn't lock its client out for a day."""
    done = IdempotencyRow(A, "e", "done", "sha", START)
    open_ = replace(done, key="open", created_at=START + timedelta(hours=1))
    for row in (done, open_):
        await store.idempotency.claim(row)
    await store.idempotency.finish(done, status=200, body="{}")

    assert await store.idempotency.release_abandoned() == 1
    assert await store.idempotency.find(open_) is None
    assert await store.idempotency.purge(START) == 0
    assert await store.idempotency.purge(START + timedelta(seconds=1)) == 1
