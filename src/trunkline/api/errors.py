"""Every error in one flat shape: `error`, `message`, `code`, and where a field is at fault `param` and `details`."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from trunkline.core.errors import CallerError, InvalidField, LimitReached, NotNow, TrunklineError


class InvalidApiKey(CallerError):
    """There is no such key, or none was sent."""

    title = "Invalid API key"
    code = "invalid_api_key"
    status = 401


class TooSlow(CallerError):
    """The body did not arrive in time."""

    title = "Request timeout"
    code = "request_timeout"
    status = 408


class TooLarge(CallerError):
    """The body is above the size limit."""

    title = "Request body too large"
    code = "body_too_large"
    status = 413


class NotJson(CallerError):
    """The body is of another type than JSON in UTF-8."""

    title = "Unsupported media type"
    code = "unsupported_media_type"
    status = 415


class KeyReused(CallerError):
    """An idempotency key came back with another body."""

    title = "Idempotency key reused"
    code = "idempotency_key_reused"
    status = 422


class ErrorDetail(BaseModel):
    """One wrong field."""

    model_config = ConfigDict(extra="forbid")

    param: str = Field(
        description="Path of the field as the request wrote it.", examples=["assistant.llm_config.model"]
    )
    message: str = Field(description="What it must be.", examples=["Field required"])
    code: str = Field(description="The kind of fault, in snake_case.", examples=["missing"])


class ErrorBody(BaseModel):
    """What every answer from 400 on looks like."""

    model_config = ConfigDict(extra="forbid")

    error: str = Field(description="A few words.", examples=["Invalid request"])
    message: str = Field(
        description="A sentence that says what to do.",
        examples=["destination must be an E.164 number such as +31201234567."],
    )
    code: str = Field(
        description="For programs, in snake_case.", pattern=r"^[a-z][a-z0-9_]*$", examples=["invalid_field"]
    )
    param: str | None = Field(None, description="The first field at fault.", examples=["destination"])
    details: list[ErrorDetail] | None = Field(None, description="Every field at fault.")


_NO_LEAK: Final = (
    "Something went wrong on our side. Quote the X-Request-Id header of this answer when you report it."
)
_HTTP_WORDS: Final = {
    404: ("Not found", "not_found", "There is nothing at this path. GET /openapi.json lists what there is."),
    405: (
        "Method not allowed",
        "method_not_allowed",
        "This path doesn't take this method; the Allow header names those it takes.",
    ),
    413: (TooLarge.title, TooLarge.code, "The request body is larger than this service takes."),
}


def error_body(error: TrunklineError) -> dict[str, Any]:
    """The body of the answer that an error becomes. A defect of ours tells nothing of its inside."""
    if error.status == HTTPStatus.INTERNAL_SERVER_ERROR:
        return {"error": "Internal error", "message": _NO_LEAK, "code": "internal_error"}
    body: dict[str, Any] = {"error": error.title, "message": error.message, "code": error.code}
    if isinstance(error, InvalidField):
        body["param"] = error.param
        if error.details:
            body["details"] = list(error.details)
    return body


def error_headers(error: TrunklineError) -> dict[str, str]:
    """What a status needs beside its body: when to come back, how to authenticate."""
    if isinstance(error, LimitReached | NotNow):
        return {"Retry-After": str(error.retry_after_s)}
    if isinstance(error, InvalidApiKey):
        return {"WWW-Authenticate": 'Bearer realm="Trunkline"'}
    return {}


def http_error_body(error: web.HTTPException) -> dict[str, Any]:
    """The same shape for what the HTTP library itself refuses: unknown paths, methods, bodies too large."""
    phrase = error.reason or "Error"
    words = _HTTP_WORDS.get(error.status) or (phrase, phrase.lower().replace(" ", "_"), f"{phrase}.")
    return dict(zip(("error", "code", "message"), words, strict=True))
