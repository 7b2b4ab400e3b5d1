"""What holds for every operation: keys, limits, error shape, headers, both bases."""

from __future__ import annotations

import asyncio
import hashlib
import time
from pathlib import Path
from typing import Any

import pytest
from api_house import DIAL, KEY, OTHER_KEY, WITH_KEY, WITH_OTHER_KEY, House

from trunkline.api.server import OPERATIONS

PROTECTED = [operation for operation in OPERATIONS if not operation.public and not operation.local]


def _path(template: str) -> str:
    return template.replace("{id}", "nothing-here")


@pytest.mark.parametrize("operation", PROTECTED, ids=lambda operation: operation.id)
async def test_no_operation_works_without_a_key(house: House, operation: Any) -> None:
    """Missing key: 401 with the documented body, before anything else is looked at."""
    answered = await house.send(operation.method, _path(operation.path), key=None, data=b"not json")

    assert answered.status == 401
    assert answered.body["error"] == "Invalid API key"
    assert answered.body["code"] == "invalid_api_key"
    assert answered.body["message"]
    assert answered.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer wrong",
        f"Basic {KEY}",
        KEY,
        f"Bearer {KEY}x",
        f"Bearer {KEY[:-1]}",
        "Bearer " + "x" * 5000,
    ],
)
async def test_every_wrong_key_is_the_same_401(house: House, authorization: str) -> None:
    """The answer doesn't tell what was wrong with the key."""
    answered = await house.get("/calls", key={"Authorization": authorization})
    missing = await house.get("/calls", key=None)

    assert (answered.status, answered.body) == (401, missing.body)


async def test_the_scheme_is_read_in_any_case(house: House) -> None:
    """`bearer` is `Bearer`."""
    assert (await house.get("/calls", key={"Authorization": f"bearer  {KEY}"})).status == 200


async def test_a_revoked_key_stops_working(house: House) -> None:
    """A revoked key that was not used just now is refused at once."""
    key = (await house.store.api_keys.list("org-b"))[0]  # type: ignore[arg-type]
    await house.store.api_keys.revoke(key.organization_id, key.id)

    assert (await house.get("/calls", key=WITH_OTHER_KEY)).status == 401


async def test_the_use_of_a_key_is_noted(house: House) -> None:
    """`last_used_at` follows."""
    await house.get("/calls")
    key = await house.store.api_keys.find_by_sha256(hashlib.sha256(KEY.encode()).hexdigest())

    assert key is not None
    assert key.last_used_at is not None


@pytest.mark.parametrize("path", ["/calls", "/calls/{id}", "/health", "/openapi.json", "/no/such/path"])
async def test_both_bases_serve_the_same(house: House, path: str) -> None:
    """Every path is served at `/` and, identically, under `/api/v1`."""
    path = path.replace("{id}", await house.dial())
    here, there = await house.get(path), await house.get("/api/v1" + path)

    assert here.status == there.status
    if path != "/health":
        assert here.body == there.body


@pytest.mark.parametrize(
    ("method", "path", "request_", "status", "code"),
    [
        ("GET", "/nothing", {}, 404, "not_found"),
        ("GET", "/calls/unknown", {}, 404, "not_found"),
        ("GET", "/calls/%00%ff", {}, 404, "not_found"),
        ("PUT", "/calls", {}, 405, "method_not_allowed"),
        ("DELETE", "/calls/outbound", {}, 405, "method_not_allowed"),
        ("POST", "/calls/outbound", {"data": b"{}"}, 415, "unsupported_media_type"),
        (
            "POST",
            "/calls/outbound",
            {"data": b"{}", "headers": {"Content-Type": "text/plain"}},
            415,
            "unsupported_media_type",
        ),
        (
            "POST",
            "/calls/outbound",
            {"data": b"{}", "headers": {"Content-Type": "application/json; charset=utf-16"}},
            415,
            "unsupported_media_type",
        ),
        (
            "POST",
            "/calls/outbound",
            {"data": b"{", "headers": {"Content-Type": "application/json"}},
            400,
            "invalid_json",
        ),
        (
            "POST",
            "/calls/outbound",
            {"data": b'"\xff"', "headers": {"Content-Type": "application/json"}},
            400,
            "invalid_json",
        ),
        (
            "POST",
            "/calls/outbound",
            {"data": b"", "headers": {"Content-Type": "application/json"}},
            400,
            "invalid_json",
        ),
        ("POST", "/calls/outbound", {"json": []}, 400, "invalid_field"),
        ("POST", "/calls/outbound", {"json": {"destination": "x" * 100_000}}, 413, "body_too_large"),
        ("GET", "/calls?limit=1&limit=2", {}, 400, "invalid_field"),
    ],
)
async def test_every_error_has_one_flat_shape(
    house: House, *, method: str, path: str, request_: dict[str, Any], status: int, code: str
) -> None:
    """`error` and `message` always, `code` for programs; nothing nested but `details`."""
    answered = await house.send(method, path, **request_)

    assert (answered.status, answered.body["code"]) == (status, code), answered.text
    assert set(answered.body) <= {"error", "message", "code", "param", "details"}
    assert isinstance(answered.body["error"], str)
    assert answered.body["message"].endswith((".", "."))
    assert answered.headers["Content-Type"] == "application/json; charset=utf-8"


async def test_a_body_sent_in_pieces_is_measured_too(house: House) -> None:
    """The size limit holds without a Content-Length."""

    async def pieces() -> Any:
        for _ in range(100):
            yield b" " * 1024

    answered = await house.send(
        "POST", "/calls/outbound", data=pieces(), headers={"Content-Type": "application/json"}
    )

    assert (answered.status, answered.body["code"]) == (413, "body_too_large")


async def test_all_wrong_fields_are_named(house: House) -> None:
    """`param` is the first, `details` all of them."""
    answered = await house.post(
        "/calls/outbound", {"destination": "0049 30", "number_id": 5, "assistant_id": "a"}
    )

    assert answered.status == 400
    assert answered.body["param"] == "destination"
    assert {detail["param"] for detail in answered.body["details"]} == {"destination", "number_id"}


async def test_405_names_the_methods(house: House) -> None:
    """RFC 9110: 405 comes with `Allow`."""
    answered = await house.send("PATCH", "/calls")

    assert answered.headers["Allow"] == "GET, HEAD, OPTIONS"


async def test_options_names_the_methods(house: House) -> None:
    """OPTIONS is answered for every path."""
    answered = await house.send("OPTIONS", "/calls/outbound", key=None)

    assert (answered.status, answered.headers["Allow"]) == (204, "OPTIONS, POST")


async def test_head_is_get_without_a_body(house: House) -> None:
    """HEAD answers what GET would, bodyless."""
    answered = await house.send("HEAD", "/calls")

    assert (answered.status, answered.text) == (200, "")
    assert answered.headers["X-RateLimit-Limit"]


async def test_a_defect_tells_nothing_of_its_inside(house: House) -> None:
    """500 in the same shape; the reason is in the log and not in the answer."""

    def explode() -> None:
        raise RuntimeError("password=hunter2")

    house.calls.before_dialling = explode
    answered = await house.post("/calls/outbound", DIAL)

    assert answered.status == 500
    assert answered.body["code"] == "internal_error"
    assert "hunter2" not in answered.text
    assert answered.headers["X-RateLimit-Limit"]


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("/calls", WITH_KEY),
        ("/calls", None),
        ("/health", None),
        ("/nothing", None),
        ("/openapi.json", None),
        ("/docs", None),
    ],
)
async def test_every_answer_carries_its_headers(house: House, path: str, key: dict[str, str] | None) -> None:
    """Rate limits, a request id and the security headers, on success and on errors."""
    answered = await house.get(path, key=key)

    assert int(answered.headers["X-RateLimit-Limit"]) == 10_000
    assert 0 <= int(answered.headers["X-RateLimit-Remaining"]) <= 10_000
    assert abs(int(answered.headers["X-RateLimit-Reset"]) - time.time()) < 65
    assert answered.headers["X-Request-Id"]
    assert answered.headers["X-Content-Type-Options"] == "nosniff"
    assert answered.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert "aiohttp" not in answered.headers["Server"]


@pytest.mark.parametrize(
    ("sent", "kept"), [("abc-1.2_X", True), ("a b", False), ("x" * 65, False), ("<script>", False)]
)
async def test_a_harmless_request_id_is_kept(house: House, sent: str, kept: bool) -> None:
    """The client's own id comes back, unless it could hurt a log."""
    answered = await house.get("/health", headers={"X-Request-Id": sent})

    assert (answered.headers["X-Request-Id"] == sent) is kept


async def test_other_organizations_calls_are_not_there(house: House) -> None:
    """Another organization's ids answer 404, exactly as unknown ones do."""
    call_id = await house.dial()

    for method, path in (("GET", ""), ("POST", "/control"), ("GET", "/events"), ("GET", "/recording")):
        body = {"json": {"type": "say", "content": "hi"}} if method == "POST" else {}
        theirs = await house.send(method, f"/calls/{call_id}{path}", key=WITH_OTHER_KEY, **body)
        unknown = await house.send(method, f"/calls/unknown{path}", key=WITH_OTHER_KEY, **body)
        assert (theirs.status, theirs.body) == (404, unknown.body)


class TestLimits:
    """With the documented limits."""

    @pytest.fixture
    def limits(self) -> dict[str, int]:
        return {"requests_per_minute": 100, "controls_per_minute": 10, "unauthenticated_per_minute": 30}

    async def test_the_101st_request_of_a_key_is_refused(self, house: House) -> None:
        """100 a minute; 429 adds `Retry-After`; another key isn't touched."""
        answers = [await house.get("/calls") for _ in range(101)]

        assert [answer.status for answer in answers] == [200] * 100 + [429]
        assert [int(answer.headers["X-RateLimit-Remaining"]) for answer in answers[:3]] == [99, 98, 97]
        assert answers[-1].body["code"] == "rate_limited"
        assert 1 <= int(answers[-1].headers["Retry-After"]) <= 60
        assert (await house.get("/calls", key=WITH_OTHER_KEY)).status == 200

    async def test_a_refused_request_has_no_side_effect(self, house: House) -> None:
        """429 is sent before anything is dialled or stored."""
        for _ in range(100):
            await house.get("/calls")
        answered = await house.post("/calls/outbound", DIAL, headers={"Idempotency-Key": "k"})

        assert answered.status == 429
        assert house.calls.placed == 0
        assert await house.store.idempotency.release_abandoned() == 0

    async def test_the_11th_command_to_a_call_is_refused(self, house: House) -> None:
        """10 a minute for a call, whoever sends them; another call isn't touched."""
        first, second = await house.dial(), await house.dial()
        for call_id in (first, second):
            await house.store.calls.update(call_id, status="in-progress")  # type: ignore[arg-type]
        say = {"type": "say", "content": "hi"}
        answers = [await house.post(f"/calls/{first}/control", say) for _ in range(11)]

        assert [answer.status for answer in answers] == [200] * 10 + [429]
        assert answers[0].headers["X-RateLimit-Limit"] == "10"
        assert len(house.calls.commands) == 10
        assert (await house.post(f"/api/v1/calls/{first}/control", say)).status == 429
        assert (await house.post(f"/calls/{second}/control", say)).status == 200

    async def test_guessing_keys_is_slowed_down(self, house: House) -> None:
        """Thirty wrong keys a minute from one address; valid keys from there still work."""
        answers = [await house.get("/calls", key={"Authorization": f"Bearer guess-{n}"}) for n in range(31)]

        assert [answer.status for answer in answers] == [401] * 30 + [429]
        assert (await house.get("/calls")).status == 200

    async def test_probes_are_never_refused(self, house: House) -> None:
        """Health checks are free."""
        assert {(await house.get("/health", key=None)).status for _ in range(40)} == {200}


async def test_metrics_are_open_to_the_machine_itself_alone(house: House) -> None:
    """From loopback without a key, but not through a proxy on loopback."""
    direct = await house.get("/metrics", key=None)
    proxied = await house.get("/metrics", key=None, headers={"X-Forwarded-For": "203.0.113.7"})

    assert direct.status == 200
    assert "trunkline_calls_live" in direct.text
    assert proxied.status == 401
    assert (await house.get("/metrics", headers={"X-Forwarded-For": "203.0.113.7"})).status == 200


async def test_health_tells_what_is_wrong_and_ready_refuses(house: House) -> None:
    """Liveness and readiness are apart."""
    healthy, ready = await house.get("/health", key=None), await house.get("/ready", key=None)
    house.pbx.fails = True
    await asyncio.sleep(1.1)
    degraded, unready = await house.get("/health", key=None), await house.get("/ready", key=None)

    assert (healthy.status, ready.status) == (200, 200)
    assert healthy.body["status"] == "ok"
    assert set(healthy.body) == {"status", "timestamp", "version", "checks"}
    assert healthy.body["checks"]["database"]["latency_ms"] >= 0
    assert (degraded.status, degraded.body["status"]) == (200, "degraded")
    assert degraded.body["checks"]["pbx"] == {"status": "error", "latency_ms": None}
    assert (unready.status, unready.body["code"]) == (503, "pbx_away")
    assert unready.headers["Retry-After"]


async def test_a_draining_service_is_not_ready(house: House) -> None:
    """A load balancer sends no more calls to a service that stops."""
    house.calls.is_draining = True

    assert (await house.get("/ready", key=None)).body["code"] == "draining"


async def test_keys_never_reach_an_answer(house: House, tmp_path: Path) -> None:
    """Neither a good nor a bad key is echoed."""
    for path in ("/calls", "/nothing", "/calls/unknown"):
        answered = await house.get(path, key=WITH_OTHER_KEY)
        assert OTHER_KEY not in answered.text + str(answered.headers)


async def test_a_malformed_header_stays_out_of_the_log(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    """It may hold a key."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(house.url.rsplit(":", 1)[1]))
    writer.write(b"GET /calls HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer hunter2\x00\r\n\r\n")
    answer = await asyncio.wait_for(reader.read(), 5)
    writer.close()

    assert answer.startswith(b"HTTP/1.0 400")
    assert "hunter2" not in caplog.text
    assert "Error handling request" in caplog.text
