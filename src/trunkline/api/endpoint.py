"""From an operation to a request handler: admit, parse, claim, act, answer. The order is the promise."""

from __future__ import annotations

from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from trunkline.api.answers import json_response
from trunkline.api.gate import Gate
from trunkline.api.idempotency import claim_of, once
from trunkline.api.intake import parse_query, read_json
from trunkline.api.operation import Answer, Ask, Operation
from trunkline.api.services import ApiServices
from trunkline.resources.validation import parse


def endpoint(operation: Operation[Any, Any], services: ApiServices, gate: Gate) -> Handler:
    """The handler of one operation."""

    async def handle(request: web.Request) -> web.StreamResponse:
        organization_id = await gate.admit(request, operation)
        data = await read_json(request) if operation.body else None
        body = _parsed(operation, data) if operation.body else None
        query = (
            parse(operation.query, parse_query(request.rel_url.raw_query_string)) if operation.query else None
        )
        path = dict(request.match_info)
        claim = None
        if operation.method == "POST":
            claim = claim_of(request, organization_id, _concrete(operation, path), data, services.clock)
        ask = Ask(services, organization_id, path, body, query, claim, request)
        if claim is None:
            return await _act(operation, ask)
        return await once(services.idempotency, claim, lambda: _act(operation, ask))

    return handle


def _parsed(operation: Operation[Any, Any], data: object) -> Any:
    return operation.read(data) if operation.read else parse(operation.body, data)


async def _act(operation: Operation[Any, Any], ask: Ask[Any, Any]) -> web.StreamResponse:
    answer = await operation.act(ask)
    if isinstance(answer, Answer):
        return json_response(answer.body, answer.status or operation.status, answer.headers)
    return answer


def _concrete(operation: Operation[Any, Any], path: dict[str, str]) -> str:
    """The operation on this very thing; the same below `/` and `/api/v1`."""
    return f"{operation.method} {operation.path.format_map(path)}"
