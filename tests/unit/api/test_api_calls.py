"""`/calls` over HTTP: what is asked reaches the calls, what they tell is answered to the letter."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from api_house import ASSISTANT, DIAL, WITH_KEY, House

from trunkline.api.render_call import Call, render_call
from trunkline.core.errors import LimitReached, NotNow, UpstreamError
from trunkline.core.ids import CallId, OrganizationId
from trunkline.store.rows import CallRow

NOW = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
ORGANIZATION = OrganizationId("org-a")


def row(call_id: str, created_at: datetime = NOW, **fields: Any) -> CallRow:
    fields = {"direction": "outbound", "status": "connecting", **fields}
    return CallRow(CallId(call_id), ORGANIZATION, created_at=created_at, updated_at=created_at, **fields)


FULL = row(
    "call-_+4930123456_AbCdEf012345",
    direction="inbound",
    status="ended",
    caller_phone="+4930123456",
    assistant_phone="+31207654321",
    assistant_id="as-1",
    agent_name="Desk",
    business_name="Clinic",
    number_id="nu-1",
    started_at=NOW,
    ended_at=NOW + timedelta(seconds=9),
    duration_seconds=9.0,
    end_reason="user_hangup",
    messages=[
        {"role": "assistant", "content": "Hello", "start_ms": 0, "end_ms": 400},
        {"role": "user", "content": "Hi"},
    ],
    hangup={"q850": 16, "sip": None, "cause": "normal_clearing"},
    metadata={"ticket": "4711"},
    latency=[{"total_ms": 512.0}],
    media={"codec": "ulaw", "mos": 4.3},
)
DOCUMENTED = [
    "id",
    "caller_phone",
    "assistant_phone",
    "status",
    "error",
    "started_at",
    "ended_at",
    "duration_seconds",
    "summary",
    "analysis_result",
    "messages",
    "agent_id",
    "assistant_id",
    "number_id",
    "agent_name",
    "business_name",
    "phone_number",
    "created_at",
    "updated_at",
    "direction",
    "end_reason",
    "room_name",
    "recording_url",
    "metadata",
    "hangup",
    "transfer",
    "latency",
    "media",
]


class TestTheCallObject:
    """Rendering, without HTTP."""

    @pytest.mark.parametrize("call", [FULL, row("call-outbound-a1b2c3d4e5f6")], ids=["full", "bare"])
    def test_it_is_what_the_contract_says(self, call: CallRow) -> None:
        """Every documented field is there, and the documented model takes what is rendered, to the last field."""
        rendered = render_call(call, "http://here")

        assert set(DOCUMENTED) <= set(rendered)
        assert set(rendered) == set(Call.model_fields)
        Call.model_validate(json.loads(json.dumps(rendered)), strict=True)

    def test_times_have_milliseconds_and_z(self) -> None:
        """ISO 8601 in UTC."""
        rendered = render_call(FULL, "http://here")

        assert rendered["created_at"] == "2026-03-01T12:00:00.123Z"
        assert rendered["ended_at"] == "2026-03-01T12:00:09.123Z"

    def test_older_names_say_the_same(self) -> None:
        """`agent_id` is the assistant's id, `phone_number` ours."""
        rendered = render_call(FULL, "http://here")

        assert rendered["agent_id"] == rendered["assistant_id"] == "as-1"
        assert rendered["phone_number"] == rendered["assistant_phone"] == "+31207654321"

    def test_an_error_belongs_to_a_failed_call(self) -> None:
        """`error` is null unless the call failed."""
        failed = dataclasses.replace(FULL, status="failed", error="Busy.")
        ended = dataclasses.replace(FULL, error="left over")

        assert render_call(failed, "")["error"] == "Busy."
        assert render_call(ended, "")["error"] is None

    def test_the_recording_has_an_address_once_there_is_one(self) -> None:
        """Absolute, with the id's `+` escaped."""
        recorded = dataclasses.replace(FULL, recording_path="x.wav")

        assert render_call(FULL, "http://here")["recording_url"] is None
        assert (
            render_call(recorded, "http://here")["recording_url"]
            == "http://here/calls/call-_%2B4930123456_AbCdEf012345/recording"
        )


async def _fill(house: House, count: int) -> None:
    for number in range(count):
        await house.store.calls.insert(row(f"call-{number}", NOW + timedelta(hours=number)))


class TestList:
    """`GET /calls`."""

    async def test_it_is_paged_newest_first(self, house: House) -> None:
        """`pagination` has the total of all pages."""
        await _fill(house, 5)
        answered = await house.get("/calls?limit=2&offset=1")

        assert [call["id"] for call in answered.body["calls"]] == ["call-3", "call-2"]
        assert answered.body["pagination"] == {"total": 5, "limit": 2, "offset": 1}

    async def test_the_defaults_are_100_from_the_start(self, house: House) -> None:
        """And an empty list is a list."""
        answered = await house.get("/calls")

        assert answered.body == {"calls": [], "pagination": {"total": 0, "limit": 100, "offset": 0}}

    async def test_items_are_whole_calls(self, house: House) -> None:
        """The same object as `GET /calls/{id}`."""
        await house.store.calls.insert(FULL)

        assert (await house.get("/calls")).body["calls"] == [(await house.get(f"/calls/{FULL.id}")).body]

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ("status=connecting", 48),
            ("status=ended", 0),
            ("start_date=2026-03-02", 36),
            ("end_date=2026-03-01", 12),
            ("start_date=2026-03-02&end_date=2026-03-02", 24),
            ("start_date=2026-03-01T12:00:00.123456Z&end_date=2026-03-01T13:00:00.123456Z", 2),
            ("start_date=2026-03-01T14:00:00%2B02:00&end_date=2026-03-01T15:00:01%2B02:00", 2),
            ("start_date=2026-03-01T14:00:00+02:00&end_date=2026-03-01T15:00:01+02:00", 2),
        ],
    )
    async def test_filters(self, house: House, query: str, found: int) -> None:
        """Dates are on `created_at`, both inclusive; a bare date is that whole day in UTC."""
        await _fill(house, 48)
        answered = await house.get(f"/calls?{query}")

        assert (answered.status, answered.body["pagination"]["total"]) == (200, found), answered.text

    @pytest.mark.parametrize(
        ("query", "param"),
        [
            ("limit=0", "limit"),
            ("limit=1001", "limit"),
            ("limit=ten", "limit"),
            ("limit=", "limit"),
            ("limit=1.5", "limit"),
            ("offset=-1", "offset"),
            ("status=live", "status"),
            ("status=", "status"),
            ("start_date=yesterday", "start_date"),
            ("end_date=2026-13-01", "end_date"),
            ("start_date=2026-03-02&end_date=2026-03-01", "start_date"),
        ],
    )
    async def test_what_is_out_of_range_is_named(self, house: House, query: str, param: str) -> None:
        """400 with the parameter."""
        answered = await house.get(f"/calls?{query}")

        assert (answered.status, answered.body["param"]) == (400, param)


class TestGet:
    """`GET /calls/{id}`."""

    @pytest.mark.parametrize("spelled", [FULL.id, FULL.id.replace("+", "%2B"), FULL.id.replace("_", "%5f")])
    async def test_a_plus_is_never_a_space(self, house: House, spelled: str) -> None:
        """`+` arrives raw or as `%2B`."""
        from yarl import URL

        await house.store.calls.insert(FULL)
        async with house.session.get(
            URL(f"{house.url}/calls/{spelled}", encoded=True), headers=WITH_KEY
        ) as response:
            assert (response.status, (await response.json())["id"]) == (200, FULL.id)

    async def test_it_is_bare(self, house: House) -> None:
        """No envelope."""
        await house.store.calls.insert(FULL)
        answered = await house.get(f"/calls/{FULL.id}")

        assert answered.body == render_call(FULL, house.url)


class TestDial:
    """`POST /calls/outbound`."""

    async def test_the_answer_is_the_documented_one(self, house: House) -> None:
        """200 with exactly four fields; the record says `connecting`."""
        answered = await house.post("/calls/outbound", DIAL)

        assert answered.status == 200
        assert list(answered.body) == ["success", "call_id", "room_name", "status"]
        assert answered.body["success"] is True
        assert answered.body["status"] == "dialing"
        assert re.fullmatch(r"call-outbound-[a-z0-9]{12}", answered.body["call_id"])
        assert re.fullmatch(r"outbound-[a-z0-9]{8}", answered.body["room_name"])
        assert (await house.get(f"/calls/{answered.body['call_id']}")).body["status"] == "connecting"

    async def test_warnings_are_told(self, house: House) -> None:
        """What was accepted without effect."""
        house.calls.warnings = ["stt_config was ignored."]

        assert (await house.post("/calls/outbound", DIAL)).body["warnings"] == ["stt_config was ignored."]

    @pytest.mark.parametrize("name", ["agent", "agent_id", "agent_config"])
    async def test_deprecated_names_work_and_are_told(self, house: House, name: str) -> None:
        """They are accepted; the answer carries `Deprecation`."""
        body: dict[str, Any] = {"destination": "+31201234567"}
        match name:
            case "agent":
                body["agent"] = ASSISTANT
            case "agent_id":
                body["agent_id"] = await _assistant(house)
            case _:
                body |= {"assistant_id": await _assistant(house), "agent_config": {"first_message": "Hi"}}
        answered = await house.post("/calls/outbound", body)

        assert answered.status == 200, answered.text
        assert re.fullmatch(r"@\d+", answered.headers["Deprecation"])
        assert "Deprecation" not in (await house.post("/calls/outbound", DIAL)).headers

    @pytest.mark.parametrize(
        ("change", "param"),
        [
            ({"destination": None}, "destination"),
            ({"destination": "+31 20 123 4567"}, "destination"),
            ({"destination": "0031201234567"}, "destination"),
            ({"destination": "0201234567"}, "destination"),
            ({"destination": "+0201234567"}, "destination"),
            ({"destination": "+1234567890123456"}, "destination"),
            ({"destination": "+٣١٢٠١٢٣٤٥٦٧"}, "destination"),
            ({"destination": 31201234567}, "destination"),
            ({"assistant": None}, "assistant_id"),
            ({"assistant_id": "a"}, "assistant"),
            ({"assistant_override": {}}, "assistant_override"),
            ({"assistant": None, "assistant_override": {}}, "assistant_id"),
            ({"assistant": None, "assistant_id": "a", "agent_id": "b"}, "agent_id"),
            ({"assistant": {"stt_config": ASSISTANT["stt_config"]}}, "assistant.llm_config"),
            ({"metadata": "x"}, "metadata"),
        ],
    )
    async def test_what_is_wrong_is_named(self, house: House, change: dict[str, Any], param: str) -> None:
        """400 with the field as the client wrote it; nothing is dialled."""
        answered = await house.post("/calls/outbound", {**DIAL, **change})

        assert (answered.status, answered.body["param"]) == (400, param), answered.text
        assert house.calls.placed == 0

    async def test_an_unknown_assistant_is_404(self, house: House) -> None:
        """And nothing is dialled."""
        answered = await house.post(
            "/calls/outbound", {"destination": "+31201234567", "assistant_id": "nope"}
        )

        assert (answered.status, house.calls.placed) == (404, 0)

    @pytest.mark.parametrize(
        ("error", "status", "retry_after"),
        [
            (UpstreamError("The PBX refused."), 502, None),
            (NotNow("Stopping.", retry_after_s=7), 503, "7"),
            (LimitReached("200 calls at once.", retry_after_s=3), 429, "3"),
        ],
    )
    async def test_what_the_pbx_refuses_is_told(
        self, house: House, error: Exception, status: int, retry_after: str | None
    ) -> None:
        """Each family of errors has its status; when to come back is a header."""

        def refuse() -> None:
            raise error

        house.calls.before_dialling = refuse
        answered = await house.post("/calls/outbound", DIAL)

        assert (answered.status, answered.headers.get("Retry-After")) == (status, retry_after)


async def _assistant(house: House) -> str:
    from trunkline.store.rows import AssistantRow

    await house.store.assistants.insert(
        AssistantRow(
            "as-1", ORGANIZATION, "Desk", is_active=True, config=ASSISTANT, created_at=NOW, updated_at=NOW
        )
    )
    return "as-1"


class TestControl:
    """`POST /calls/{id}/control`."""

    @pytest.mark.parametrize(
        "command",
        [
            {"type": "inject-context", "content": "VIP", "trigger_response": True},
            {"type": "say", "content": "One moment", "end_after": True},
            {"type": "end-call"},
            {"type": "end-call", "message": "Bye"},
            {"type": "transfer", "destination": "+31207654321"},
            {"type": "transfer", "destination": "sip:200@pbx.example", "message": "I'll put you through"},
            {"type": "transfer", "destination": "sips:200@pbx.example", "mode": "warm", "briefing": "b"},
            {"type": "mute"},
            {"type": "unmute"},
            {"type": "send-dtmf", "digits": "12#"},
            {"type": "hold"},
            {"type": "resume"},
            {"type": "cancel-transfer"},
        ],
        ids=lambda command: command["type"],
    )
    async def test_a_command_reaches_the_call(self, house: House, command: dict[str, Any]) -> None:
        """200 with the documented answer."""
        call_id = await house.dial()
        await house.store.calls.update(CallId(call_id), status="in-progress")
        answered = await house.post(f"/calls/{call_id}/control", command)

        assert (answered.status, answered.body) == (
            200,
            {"success": True, "message": "Command sent successfully"},
        )
        (reached,) = house.calls.commands
        assert reached[0] == call_id
        assert {key: getattr(reached[1], key) for key in command} == command

    @pytest.mark.parametrize(
        ("command", "param"),
        [
            ({}, "type"),
            ({"type": "dance"}, "type"),
            ({"type": 5}, "type"),
            ({"type": "say"}, "content"),
            ({"type": "say", "content": "x", "end_after": 1}, "end_after"),
            ({"type": "inject-context"}, "content"),
            ({"type": "transfer"}, "destination"),
            ({"type": "transfer", "destination": "reception"}, "destination"),
            ({"type": "transfer", "destination": "+31207654321", "mode": "cold"}, "mode"),
            ({"type": "send-dtmf", "digits": "x"}, "digits"),
        ],
    )
    async def test_what_is_wrong_is_named(self, house: House, command: dict[str, Any], param: str) -> None:
        """400 with the field; the call hears nothing."""
        call_id = await house.dial()
        await house.store.calls.update(CallId(call_id), status="in-progress")
        answered = await house.post(f"/calls/{call_id}/control", command)

        assert (answered.status, answered.body["param"]) == (400, param)
        assert house.calls.commands == []

    async def test_only_a_call_in_progress_takes_commands(self, house: House) -> None:
        """400 before and after; 404 where there is no such call."""
        call_id = await house.dial()
        say = {"type": "say", "content": "hi"}

        assert (await house.post(f"/calls/{call_id}/control", say)).status == 400
        assert (await house.post("/calls/call-outbound-nope/control", say)).status == 404

    async def test_best_effort_is_told(self, house: House) -> None:
        """Still 200, plus `warnings`."""
        call_id = await house.dial()
        await house.store.calls.update(CallId(call_id), status="in-progress")
        house.calls.warnings = ["best effort"]
        answered = await house.post(f"/calls/{call_id}/control", {"type": "say", "content": "hi"})

        assert answered.body["warnings"] == ["best effort"]


class TestCancel:
    """`POST /calls/{id}/cancel`."""

    async def test_a_ringing_call_is_given_up(self, house: House) -> None:
        """Which `end-call` can't; a second time it is 400, elsewhere 404."""
        call_id = await house.dial()
        first, again = [await house.post(f"/calls/{call_id}/cancel") for _ in range(2)]

        assert (first.status, first.body["success"]) == (200, True)
        assert (await house.get(f"/calls/{call_id}")).body["end_reason"] == "api_end_call"
        assert again.status == 400
        assert (await house.post("/calls/unknown/cancel")).status == 404


class TestEvents:
    """`GET /calls/{id}/events`."""

    async def _read(self, house: House, call_id: str, **headers: str) -> str:
        answered = await house.get(f"/calls/{call_id}/events", headers=headers)
        assert answered.headers["Content-Type"] == "text/event-stream"
        assert answered.headers["X-Accel-Buffering"] == "no"
        return answered.text

    async def test_the_stream_tells_a_call_and_ends_with_it(self, house: House) -> None:
        """What was told already comes first, then what comes, up to `ended`."""
        call_id = await house.dial()
        house.calls.tell(call_id, "ringing")
        reading = asyncio.create_task(self._read(house, call_id))
        await asyncio.sleep(0.1)
        house.calls.tell(call_id, "transcript", role="user", content="zwei\nZeilen")
        house.calls.tell(call_id, "ended", status="ended")
        blocks = [block for block in (await reading).split("\n\n") if block.startswith("id:")]

        assert [block.split("\n")[:2] for block in blocks] == [
            ["id: 1", "event: ringing"],
            ["id: 2", "event: transcript"],
            ["id: 3", "event: ended"],
        ]
        told = json.loads(blocks[1].split("data: ", 1)[1])
        assert told["data"] == {"role": "user", "content": "zwei\nZeilen"}
        assert (told["call_id"], told["seq"], told["type"]) == (call_id, 2, "transcript")
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:]{8}\.\d{3}Z", told["at"])

    @pytest.mark.parametrize(
        ("last", "ids"), [("1", ["2"]), ("0", ["1", "2"]), ("99", []), ("x", ["1", "2"])]
    )
    async def test_a_reader_that_comes_back_misses_nothing(
        self, house: House, last: str, ids: list[str]
    ) -> None:
        """`Last-Event-ID` resumes behind that event."""
        call_id = await house.dial()
        house.calls.tell(call_id, "ringing")
        house.calls.tell(call_id, "ended")
        text = await self._read(house, call_id, **{"Last-Event-ID": last})

        assert re.findall(r"^id: (\d+)$", text, re.MULTILINE) == ids

    async def test_a_silent_stream_says_that_it_lives(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A comment line, before proxies give up."""
        from trunkline.api import call_events

        monkeypatch.setattr(call_events, "_HEARTBEAT_S", 0.05)
        call_id = await house.dial()
        reading = asyncio.create_task(self._read(house, call_id))
        await asyncio.sleep(0.3)
        house.calls.tell(call_id, "ended")

        assert ": still here\n\n" in await reading

    async def test_stopping_the_service_ends_streams(self, house: House) -> None:
        """A call that talks for hours doesn't hold up a restart; no task is left behind."""
        from trunkline.api.call_events import STREAMS, stop_streams

        call_id = await house.dial()
        reading = asyncio.create_task(self._read(house, call_id))
        while not house.app[STREAMS]:
            await asyncio.sleep(0.01)
        await stop_streams(house.app)
        await asyncio.gather(reading, return_exceptions=True)
        await asyncio.sleep(0.05)

        assert not house.app[STREAMS]
        assert not [task for task in asyncio.all_tasks() if task.get_name() == "call-events"]


class TestRecording:
    """`GET /calls/{id}/recording`."""

    @pytest.fixture
    async def recorded(self, house: House) -> str:
        folder: Path = house.services.settings.recordings.folder
        folder.mkdir(parents=True)
        (folder / "one.wav").write_bytes(b"RIFF" + bytes(range(100)))
        await house.store.calls.insert(dataclasses.replace(FULL, recording_path="one.wav"))
        return f"/calls/{FULL.id}/recording"

    async def test_it_is_a_wav(self, house: House, recorded: str) -> None:
        """The file as it is."""
        answered = await house.send("HEAD", recorded)

        assert (answered.status, answered.headers["Content-Type"]) == (200, "audio/wav")
        assert answered.headers["Content-Length"] == "104"
        assert answered.headers["X-RateLimit-Limit"]

    async def test_a_range_is_a_range(self, house: House, recorded: str) -> None:
        """Players seek."""
        async with house.session.get(
            house.url + recorded, headers={**WITH_KEY, "Range": "bytes=4-7"}
        ) as response:
            assert (response.status, await response.read()) == (206, bytes(range(4)))

    async def test_no_recording_is_404(self, house: House) -> None:
        """As is one whose file is gone, or a record that leads out of the folder."""
        for number, path in enumerate((None, "gone.wav", "../../../etc/passwd", "..", ".")):
            await house.store.calls.insert(
                dataclasses.replace(FULL, id=CallId(f"c{number}"), recording_path=path)
            )
            answered = await house.get(f"/calls/c{number}/recording")
            assert (answered.status, answered.body["code"]) == (404, "no_recording")
