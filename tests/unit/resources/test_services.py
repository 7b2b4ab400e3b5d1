"""What can be done with assistants, numbers, trunks, keys and organizations, on a real database."""

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from trunkline.core.clock import ManualClock
from trunkline.core.errors import CallerError, Conflict, InvalidField, NotFound, UpstreamError
from trunkline.core.ids import OrganizationId, TrunkId
from trunkline.pbx.port import TrunkSpec, TrunkStatus
from trunkline.resources.assistant import AssistantCreate, AssistantPatch
from trunkline.resources.assistants import AssistantService
from trunkline.resources.keys import KeyService, new_key, sha256_of
from trunkline.resources.merge import AssistantChoice
from trunkline.resources.numbers import NumberCreate, NumberPatch, NumberService
from trunkline.resources.organizations import OrganizationService
from trunkline.resources.sealing import MASK
from trunkline.resources.trunk import TrunkCreate, TrunkPatch
from trunkline.resources.trunks import TrunkService
from trunkline.resources.validation import parse
from trunkline.store.store import Store
from trunkline.store.vault import Vault

A, B = OrganizationId("org-a"), OrganizationId("org-b")
ENGINES = {
    "stt_config": {"provider": "whisper", "model": "tiny.en", "language": "en"},
    "llm_config": {"provider": "flow", "model": "receptionist"},
    "tts_config": {"provider": "hibari", "voice_id": "default"},
}


class MemoryDoor:
    """A PBX's side of trunks, in memory, that can be away."""

    def __init__(self) -> None:
        self.trunks: dict[TrunkId, TrunkSpec] = {}
        self.status = TrunkStatus(reachable=True, rtt_ms=3.5)
        self.away = False

    def _answer(self) -> None:
        if self.away:
            raise UpstreamError("The PBX is away.")

    async def put_trunk(self, trunk: TrunkSpec) -> None:
        self._answer()
        self.trunks[trunk.id] = trunk

    async def remove_trunk(self, trunk_id: TrunkId) -> None:
        self._answer()
        self.trunks.pop(trunk_id, None)

    async def trunk_status(self, trunk_id: TrunkId) -> TrunkStatus:
        self._answer()
        return self.status


@pytest.fixture
def door() -> MemoryDoor:
    return MemoryDoor()


@pytest.fixture
def assistants(store: Store, vault: Vault, clock: ManualClock) -> AssistantService:
    return AssistantService(store, vault, clock)


@pytest.fixture
def numbers(store: Store, clock: ManualClock) -> NumberService:
    return NumberService(store, clock)


@pytest.fixture
def trunks(store: Store, vault: Vault, door: MemoryDoor, clock: ManualClock) -> TrunkService:
    return TrunkService(store, vault, door, clock)


def on_disk(store_path: Path) -> bytes:
    """Everything in the database's files."""
    return b"".join(path.read_bytes() for path in store_path.iterdir() if path.name.startswith("t.sqlite3"))


async def made(assistants: AssistantService, **fields: Any) -> dict[str, Any]:
    return await assistants.create(A, parse(AssistantCreate, {"name": "Ann", **ENGINES, **fields}))


async def test_a_bare_assistant_is_answered_with_every_field(assistants: AssistantService) -> None:
    """Clients find each documented name, with its default."""
    answer = await assistants.create(A, parse(AssistantCreate, {"name": "Ann"}))

    documented = set(AssistantCreate.model_fields) | {"id", "created_at", "updated_at"}
    assert set(answer) == documented
    assert (answer["is_active"], answer["max_duration_seconds"], answer["notification_emails"]) == (
        True,
        600,
        [],
    )
    assert answer["created_at"] == answer["updated_at"] == "2026-03-01T12:00:00.000Z"
    assert [answer] == await assistants.list(A)
    assert answer == await assistants.get(A, answer["id"])


async def test_a_patch_changes_the_given_fields_alone(
    assistants: AssistantService, clock: ManualClock
) -> None:
    """Null clears, a block without provider is patched in, with provider it replaces."""
    first = await made(assistants, first_message="Hi", is_active=False)
    clock.advance(1)
    patch = {
        "first_message": None,
        "is_active": None,
        "llm_config": {"temperature": 0.1},
        "tts_config": {"provider": "espeak", "voice_id": "en"},
    }

    answer = await assistants.patch(A, first["id"], parse(AssistantPatch, patch))

    assert answer == first | {
        "first_message": None,
        "is_active": True,
        "llm_config": {**ENGINES["llm_config"], "temperature": 0.1},
        "tts_config": {"provider": "espeak", "voice_id": "en"},
        "updated_at": "2026-03-01T12:00:01.000Z",
    }
    assert answer == await assistants.get(A, first["id"])


async def test_a_patch_that_leaves_a_broken_whole_is_refused(assistants: AssistantService) -> None:
    """And nothing is changed."""
    first = await made(assistants)
    bare = await assistants.create(A, parse(AssistantCreate, {"name": "Bare"}))

    with pytest.raises(InvalidField) as raised:
        await assistants.patch(A, first["id"], parse(AssistantPatch, {"llm_config": {"provider": "openai"}}))
    assert raised.value.param == "llm_config.model"
    with pytest.raises(InvalidField):
        await assistants.patch(A, bare["id"], parse(AssistantPatch, {"llm_config": {"temperature": 1}}))
    assert first == await assistants.get(A, first["id"])


async def test_secrets_are_masked_outside_and_encrypted_at_rest(
    assistants: AssistantService, tmp_path: Path
) -> None:
    """They come out in clear only for a call; sending the mask back keeps them."""
    tool = {
        "name": "book",
        "server": {"url": "https://x.y", "secret": "s3cret-two", "headers": {"X-Key": "s3cret-three"}},
    }
    llm = {**ENGINES["llm_config"], "tools": [{"type": "end_call"}, tool]}
    answer = await made(assistants, webhook_secret="s3cret-one", llm_config=llm, metadata={"secret": "mine"})

    assert "s3cret" not in str(answer)
    assert answer["metadata"] == {"secret": "mine"}
    masked_tool = answer["llm_config"]["tools"][1]
    assert masked_tool["server"] == {"url": "https://x.y", "secret": MASK, "headers": {"X-Key": MASK}}
    assert b"s3cret" not in on_disk(tmp_path)

    back = {"webhook_secret": MASK, "llm_config": {"tools": [masked_tool]}, "first_message": "Hi"}
    await assistants.patch(A, answer["id"], parse(AssistantPatch, back))
    resolved = await assistants.resolve(A, AssistantChoice(answer["id"], override={"webhook_secret": MASK}))
    assert resolved.config["webhook_secret"] == "s3cret-one"
    assert resolved.config["llm_config"]["tools"] == [tool]

    copy = await assistants.create(A, parse(AssistantCreate, {"name": "Copy", "webhook_secret": MASK}))
    assert copy["webhook_secret"] is None


async def test_a_call_finds_its_assistant_or_says_why_not(assistants: AssistantService) -> None:
    """Unknown 404, foreign 404, inactive 400 by the name the client used."""
    active, idle = await made(assistants, first_message="Hi"), await made(assistants, is_active=False)

    resolved = await assistants.resolve(A, AssistantChoice(active["id"], first_message="Top", context="VIP"))
    assert (resolved.id, resolved.name, resolved.greeting, resolved.context) == (
        active["id"],
        "Ann",
        "Top",
        "VIP",
    )
    transient = await assistants.resolve(A, AssistantChoice(transient={**ENGINES, "webhook_secret": MASK}))
    assert (transient.id, transient.config) == (None, ENGINES)
    for organization, assistant_id in ((A, "nobody"), (B, active["id"])):
        with pytest.raises(NotFound):
            await assistants.resolve(organization, AssistantChoice(assistant_id))
    with pytest.raises(InvalidField, match="inactive") as raised:
        await assistants.resolve(A, AssistantChoice(idle["id"], id_param="agent_id"))
    assert raised.value.param == "agent_id"


async def test_everything_belongs_to_its_organization(
    assistants: AssistantService, numbers: NumberService, trunks: TrunkService
) -> None:
    """A foreign id is unknown to get, patch, delete, and as a reference."""
    assistant = await made(assistants)
    trunk = await trunks.create(A, parse(TrunkCreate, {"name": "t", "provider": "p", "address": "h"}))
    number = await numbers.create(A, parse(NumberCreate, {"phone_number": "+31201234567"}))
    attempts: list[Callable[[], Any]] = [
        lambda: assistants.get(B, assistant["id"]),
        lambda: assistants.patch(B, assistant["id"], parse(AssistantPatch, {})),
        lambda: assistants.delete(B, assistant["id"]),
        lambda: trunks.get(B, trunk["id"]),
        lambda: trunks.patch(B, trunk["id"], parse(TrunkPatch, {})),
        lambda: trunks.delete(B, trunk["id"]),
        lambda: trunks.test(B, trunk["id"]),
        lambda: numbers.get(B, number["id"]),
        lambda: numbers.patch(B, number["id"], parse(NumberPatch, {})),
        lambda: numbers.delete(B, number["id"]),
        lambda: numbers.create(
            B, parse(NumberCreate, {"phone_number": "+31201234568", "agent_id": assistant["id"]})
        ),
        lambda: numbers.create(
            B, parse(NumberCreate, {"phone_number": "+31201234568", "transfer_trunk_id": trunk["id"]})
        ),
        lambda: numbers.choose(B, number["id"]),
    ]

    for attempt in attempts:
        with pytest.raises(NotFound):
            await attempt()
    assert [await service.list(B) for service in (assistants, trunks, numbers)] == [[], [], []]


async def test_a_number_tells_the_names_around_it(
    assistants: AssistantService, numbers: NumberService, trunks: TrunkService
) -> None:
    """Created, listed, unassigned, deleted."""
    assistant = await made(assistants, business_name="Harbour Dental")
    trunk = await trunks.create(A, parse(TrunkCreate, {"name": "main", "provider": "p", "address": "h"}))
    request = {
        "phone_number": "+31201234567",
        "name": "Desk",
        "agent_id": assistant["id"],
        "transfer_trunk_id": trunk["id"],
    }

    number = await numbers.create(A, parse(NumberCreate, request))

    expected = request | {
        "assistant_id": assistant["id"],
        "agent_name": "Ann",
        "business_name": "Harbour Dental",
        "transfer_trunk_name": "main",
        "outbound_trunk_id": None,
        "source": "sip_trunk",
        "is_active": True,
        "last_used_at": None,
    }
    assert expected.items() <= number.items()
    assert [number] == await numbers.list(A)
    for in_use in (assistants.delete(A, assistant["id"]), trunks.delete(A, trunk["id"])):
        with pytest.raises(Conflict):
            await in_use
    with pytest.raises(Conflict, match="phone_number"):
        await numbers.create(A, parse(NumberCreate, {"phone_number": "+31201234567"}))
    free = await numbers.patch(A, number["id"], parse(NumberPatch, {"assistant_id": None}))
    assert (free["agent_id"], free["agent_name"], free["name"]) == (None, None, "Desk")
    await numbers.delete(A, number["id"])
    await assistants.delete(A, assistant["id"])
    assert await numbers.list(A) == []


async def test_the_number_that_calls(
    numbers: NumberService, trunks: TrunkService, clock: ManualClock
) -> None:
    """Asked for: checked. Not asked for: the one that has rested longest."""
    trunk = await trunks.create(A, parse(TrunkCreate, {"name": "main", "provider": "p", "address": "h"}))
    other = await trunks.create(A, parse(TrunkCreate, {"name": "out", "provider": "p", "address": "g"}))

    async def add(number: str, **more: Any) -> str:
        created = await numbers.create(A, parse(NumberCreate, {"phone_number": number, **more}))
        return str(created["id"])

    with pytest.raises(InvalidField) as raised:
        await numbers.choose(A, None)
    assert (raised.value.param, raised.value.code) == ("number_id", "no_number_available")
    one = await add("+31200000001", transfer_trunk_id=trunk["id"])
    two = await add("+31200000002", transfer_trunk_id=trunk["id"], outbound_trunk_id=other["id"])
    idle = await add("+31200000003", transfer_trunk_id=trunk["id"], is_active=False)
    bare = await add("+31200000004")

    for number_id, code in ((idle, "number_inactive"), (bare, "number_without_trunk")):
        with pytest.raises(InvalidField) as raised:
            await numbers.choose(A, number_id)
        assert (raised.value.param, raised.value.status, raised.value.code) == ("number_id", 400, code)
    with pytest.raises(NotFound):
        await numbers.choose(A, "nobody")
    asked = await numbers.choose(A, one)
    assert (asked.number.id, asked.trunk.name, asked.transfer_trunk.name) == (one, "main", "main")
    rested = []
    for _ in range(3):
        clock.advance(1)
        line = await numbers.choose(A, None)
        rested.append((line.number.id, line.trunk.name, line.transfer_trunk.name))
    assert rested == [(two, "out", "main"), (one, "main", "main"), (two, "out", "main")]


async def test_a_trunk_reaches_the_pbx_with_its_password_and_nobody_else(
    trunks: TrunkService, door: MemoryDoor, tmp_path: Path
) -> None:
    """Write-only: not in an answer, not on disk."""
    request = {
        "name": "main",
        "provider": "Example",
        "address": "sip.example.com:5080",
        "username": "u",
        "password": "s3cret-pw",
    }
    request |= {"codecs": ["g722", "ulaw"], "inbound_addresses": ["192.0.2.0/24"], "register": True}

    answer = await trunks.create(A, parse(TrunkCreate, request))

    spec = door.trunks[TrunkId(answer["id"])]
    assert (spec.host, spec.port, spec.username, spec.password, spec.register) == (
        "sip.example.com",
        5080,
        "u",
        "s3cret-pw",
        True,
    )
    assert (spec.codecs, spec.inbound_addresses) == (("g722", "ulaw"), ("192.0.2.0/24",))
    assert "s3cret" not in str(answer) and b"s3cret" not in on_disk(tmp_path)
    assert (answer["address"], answer["outbound_address"], answer["host"], answer["port"]) == (
        "sip.example.com:5080",
    ) * 2 + ("sip.example.com", 5080)
    assert (answer["auth_username"], answer["username"], answer["has_password"]) == ("u", "u", True)
    assert answer["status"] == {
        "reachable": True,
        "registered": None,
        "rtt_ms": 3.5,
        "since": "2026-03-01T12:00:00.000Z",
        "reason": None,
    }


async def test_a_changed_trunk_keeps_its_password_until_told_otherwise(
    trunks: TrunkService, door: MemoryDoor
) -> None:
    """Null forgets it; tls moves the default port."""
    answer = await trunks.create(
        A, parse(TrunkCreate, {"name": "main", "provider": "p", "address": "h", "auth_password": "one"})
    )
    trunk_id = TrunkId(answer["id"])

    renamed = await trunks.patch(A, trunk_id, parse(TrunkPatch, {"name": "other", "transport": "tls"}))
    assert (renamed["name"], renamed["port"], door.trunks[trunk_id].port, door.trunks[trunk_id].password) == (
        "other",
        5061,
        5061,
        "one",
    )
    await trunks.patch(A, trunk_id, parse(TrunkPatch, {"password": "two"}))
    assert door.trunks[trunk_id].password == "two"
    bare = await trunks.patch(A, trunk_id, parse(TrunkPatch, {"auth_password": None}))
    assert (bare["has_password"], door.trunks[trunk_id].password) == (False, None)
    await trunks.delete(A, trunk_id)
    assert door.trunks == {}


async def test_a_pbx_that_is_away_learns_its_trunks_when_it_is_back(
    trunks: TrunkService, door: MemoryDoor, clock: ManualClock
) -> None:
    """Nothing is lost, and the answers say why the status is unknown."""
    door.away = True
    answer = await trunks.create(A, parse(TrunkCreate, {"name": "a", "provider": "p", "address": "h"}))
    gone = await trunks.create(B, parse(TrunkCreate, {"name": "b", "provider": "p", "address": "g"}))
    await trunks.delete(B, gone["id"])

    assert (answer["status"]["reachable"], answer["status"]["reason"]) == (None, "The PBX is away.")
    door.away = False
    clock.advance(5)
    assert await trunks.put_all() == 1
    assert list(door.trunks) == [answer["id"]]
    tested = await trunks.test(A, answer["id"])
    assert (tested["status"]["reachable"], tested["status"]["since"]) == (True, "2026-03-01T12:00:05.000Z")
    clock.advance(5)
    assert (await trunks.get(A, answer["id"]))["status"]["since"] == "2026-03-01T12:00:05.000Z"


async def test_the_pbx_ends_with_what_was_stored_last(trunks: TrunkService, door: MemoryDoor) -> None:
    """Changes at once reach the PBX in the order in which they were stored."""
    answer = await trunks.create(A, parse(TrunkCreate, {"name": "a", "provider": "p", "address": "h"}))

    await asyncio.gather(
        *(trunks.patch(A, answer["id"], parse(TrunkPatch, {"port": 5000 + i})) for i in range(10)),
        trunks.put_all(),
    )

    assert (await trunks.get(A, answer["id"]))["port"] == door.trunks[answer["id"]].port


async def test_a_key_is_shown_once(store: Store, clock: ManualClock, tmp_path: Path) -> None:
    """The database holds its hash; lists hold its first letters."""
    keys = KeyService(store, clock)

    row, key = await keys.create(A, "ci")

    assert key.reveal().startswith("tl_") and len(key.reveal()) == 35 and key.reveal() not in repr((row, key))
    found = await store.api_keys.find_by_sha256(sha256_of(key.reveal()))
    assert found == row
    assert key.reveal().encode() not in on_disk(tmp_path)
    listed = {
        "id": row.id,
        "name": "ci",
        "prefix": key.reveal()[:9],
        "created_at": "2026-03-01T12:00:00.000Z",
        "last_used_at": None,
        "revoked_at": None,
    }
    assert [listed] == await keys.list(A)
    assert await keys.list(B) == []
    assert (await keys.revoke(A, row.id))["revoked_at"] == "2026-03-01T12:00:00.000Z"
    with pytest.raises(NotFound):
        await keys.revoke(B, row.id)


def test_keys_differ_and_use_the_whole_alphabet() -> None:
    """62 letters and digits, 32 of them: 190 bits."""
    keys = {new_key().reveal() for _ in range(1000)}

    assert len(keys) == 1000
    assert len(set("".join(key[3:] for key in keys))) == 62


async def test_the_first_start_makes_one_organization_with_a_key(tmp_path: Path, clock: ManualClock) -> None:
    """Later starts make nothing."""
    store = await Store.open(f"sqlite:///{tmp_path}/new.sqlite3", clock)
    organizations = OrganizationService(store, clock)

    first = await organizations.first()
    again = await organizations.first()
    assert first is not None and again is None
    row, key = first
    found = await store.api_keys.find_by_sha256(sha256_of(key.reveal()))
    assert found is not None and found.organization_id == row.id
    child, _ = await organizations.create("Child", row.id)
    assert child.parent_id == row.id
    with pytest.raises(NotFound):
        await organizations.create("Orphan", OrganizationId("nobody"))
    await store.close()


async def test_a_database_under_another_key_tells_so(store: Store, clock: ManualClock, vault: Vault) -> None:
    """Instead of calling a carrier with rubbish."""
    made_with = AssistantService(store, vault, clock)
    answer = await made(made_with, webhook_secret="s")

    with pytest.raises(Exception, match="vault key is another one") as raised:
        await AssistantService(store, Vault(b"x" * 32), clock).resolve(A, AssistantChoice(answer["id"]))
    assert not isinstance(raised.value, (CallerError, sqlite3.Error))
