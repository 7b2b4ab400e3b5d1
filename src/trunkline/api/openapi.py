"""The OpenAPI 3.1 document, generated from the operations and the very models that check their requests."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from pydantic import TypeAdapter
from pydantic.json_schema import JsonSchemaMode

from trunkline.api.errors import ErrorBody
from trunkline.api.operation import Operation

_JSON: Final = "application/json"
_REF: Final = "#/components/schemas/{model}"
_HEADERS: Final[dict[str, Any]] = {
    "X-RateLimit-Limit": {
        "description": "Requests in any 60 seconds.",
        "required": True,
        "schema": {"type": "integer", "minimum": 1},
    },
    "X-RateLimit-Remaining": {
        "description": "How many are left.",
        "required": True,
        "schema": {"type": "integer", "minimum": 0},
    },
    "X-RateLimit-Reset": {
        "description": "Unix seconds when one more is allowed.",
        "required": True,
        "schema": {"type": "integer"},
    },
    "X-Request-Id": {
        "description": "Names this request in our logs.",
        "required": True,
        "schema": {"type": "string"},
    },
    "Retry-After": {
        "description": "Whole seconds to wait.",
        "required": True,
        "schema": {"type": "integer", "minimum": 1},
    },
    "WWW-Authenticate": {
        "description": "How to authenticate.",
        "required": True,
        "schema": {"type": "string"},
    },
    "Idempotent-Replayed": {
        "description": "`true` on a repeated first answer.",
        "schema": {"type": "string", "enum": ["true"]},
    },
    "Location": {
        "description": "Where the new thing is; not on a repeated answer.",
        "schema": {"type": "string"},
    },
    "Deprecation": {
        "description": "The request used a deprecated name (RFC 9745).",
        "schema": {"type": "string"},
    },
}
_EVERYWHERE: Final = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset", "X-Request-Id")
_ON_POST: Final = ("Idempotent-Replayed", "Deprecation")
_MORE: Final = {201: ("Location",), 401: ("WWW-Authenticate",), 429: ("Retry-After",), 503: ("Retry-After",)}
_WORDS: Final = {
    400: "A field is missing or wrong, or the body is not JSON.",
    401: "No valid API key.",
    404: "There is no such thing, or it belongs to another organization.",
    408: "The body did not arrive in time.",
    409: "In use, a duplicate, or the first request with this idempotency key still runs.",
    413: "The body is too large.",
    415: "The body is not JSON in UTF-8.",
    422: "The idempotency key was used with another body.",
    429: "Too many requests; sent before any side effect.",
    500: "A defect of ours.",
    502: "The PBX or the carrier failed.",
    503: "Not now: the service is stopping or the PBX is away.",
}
_IDEMPOTENCY: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "The same key and body within 24 hours replay the first answer.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
}

AnyOperation = Operation[Any, Any]


def openapi(operations: Sequence[AnyOperation], version: str) -> dict[str, Any]:
    """The whole document as plain JSON values."""
    schemas, components = _schemas(operations)
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Trunkline",
            "version": version,
            "summary": "Voice AI on your own PBX.",
            "description": "Every path is served at `/` and, identically, under `/api/v1`. Bodies are JSON in UTF-8; times are UTC.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}, {"url": "/api/v1"}],
        "security": [{"apiKey": []}],
        "tags": [{"name": tag} for tag in dict.fromkeys(operation.tag for operation in operations)],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "apiKey": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API key of your organization.",
                }
            },
            "headers": _HEADERS,
            "schemas": components,
        },
    }


def _schemas(operations: Sequence[AnyOperation]) -> tuple[Mapping[Any, Any], dict[str, Any]]:
    """The schema of every model by (model, mode), and the definitions they refer to."""
    bodies = {operation.body for operation in operations if operation.body}
    answers = {operation.answer for operation in operations if operation.answer} | {ErrorBody}
    inputs: list[tuple[Any, JsonSchemaMode, TypeAdapter[Any]]] = [
        *(
            (body, "validation", body if isinstance(body, TypeAdapter) else TypeAdapter(body))
            for body in bodies
        ),
        *((answer, "serialization", TypeAdapter(answer)) for answer in answers),
    ]
    found, rest = TypeAdapter.json_schemas(inputs, ref_template=_REF)
    return found, dict(sorted(rest.get("$defs", {}).items()))


def _operation(operation: AnyOperation, schemas: Mapping[Any, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.id,
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": operation.description or operation.summary,
        "parameters": _parameters(operation),
        "responses": {str(operation.status): _success(operation, schemas)},
    }
    if operation.public:
        described["security"] = []
    elif operation.local:
        described["security"] = [{"apiKey": []}, {}]
    if operation.body:
        content: dict[str, Any] = {"schema": schemas[operation.body, "validation"]}
        if operation.examples:
            content["examples"] = {title: {"value": value} for title, value in operation.examples.items()}
        described["requestBody"] = {"required": True, "content": {_JSON: content}}
    for status in operation.statuses:
        described["responses"][str(status)] = _failure(status, schemas)
    return described


def _parameters(operation: AnyOperation) -> list[dict[str, Any]]:
    path: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in re.findall(r"{(\w+)}", operation.path)
    ]
    query = [_query_parameter(name, schema) for name, schema in _query_schema(operation).items()]
    return path + query + ([_IDEMPOTENCY] if operation.method == "POST" else [])


def _query_schema(operation: AnyOperation) -> dict[str, Any]:
    """The properties of the query's model; query models are flat, so they refer to nothing."""
    properties: dict[str, Any] = operation.query.model_json_schema()["properties"] if operation.query else {}
    return properties


def _query_parameter(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    inner = {key: value for key, value in schema.items() if key not in {"description", "title"}}
    return {"name": name, "in": "query", "description": schema.get("description", ""), "schema": inner}


def _success(operation: AnyOperation, schemas: Mapping[Any, Any]) -> dict[str, Any]:
    more = (*_MORE.get(operation.status, ()), *(_ON_POST if operation.method == "POST" else ()))
    response: dict[str, Any] = {"description": operation.summary, "headers": _headers(*_EVERYWHERE, *more)}
    schema = schemas[operation.answer, "serialization"] if operation.answer else {"type": "string"}
    response["content"] = {operation.content: {"schema": schema}}
    if operation.links:
        response["links"] = {
            name: {"operationId": target, "parameters": {"id": f"$response.body#{pointer}"}}
            for name, (target, pointer) in operation.links.items()
        }
    return response


def _failure(status: int, schemas: Mapping[Any, Any]) -> dict[str, Any]:
    return {
        "description": _WORDS.get(status, HTTPStatus(status).phrase),
        "headers": _headers(*_EVERYWHERE, *_MORE.get(status, ())),
        "content": {_JSON: {"schema": schemas[ErrorBody, "serialization"]}},
    }


def _headers(*names: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}
