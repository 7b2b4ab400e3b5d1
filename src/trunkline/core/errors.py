"""Every error Trunkline raises on purpose, in three families by who must act.

TrunklineError
├── CallerError        the client asked for something impossible; maps to a 4xx answer
│   ├── InvalidField       400, names the field
│   ├── NotFound           404
│   ├── Conflict           409
│   ├── LimitReached       429, says when to come back
│   └── NotNow             503, says when to come back
├── UpstreamError      the PBX, the carrier or a model failed; says whether a retry is safe
└── InternalError      we failed
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence


class TrunklineError(Exception):
    """Something Trunkline says in words a person can act on.

    Attributes:
        title: a few words, the `error` of an API answer.
        message: one sentence that says what to do next, the `message` of an API answer.
        code: snake_case, for programs.
        status: the HTTP status an API answer gets.
    """

    title = "Something went wrong"
    code = "error"
    status = 500

    def __init__(self, message: str, *, title: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.title = title or type(self).title
        self.code = code or type(self).code


class CallerError(TrunklineError):
    """The request can't be carried out as it stands."""

    title = "Bad request"
    code = "bad_request"
    status = 400


class InvalidField(CallerError):
    """One field is missing or wrong.

    Args:
        param: the field's path as the client wrote it, such as `assistant.llm_config.model`.
        message: a sentence that names the field and what it must be.
        details: every wrong field as `{param, message, code}`, where more than one may be wrong.
    """

    title = "Invalid request"
    code = "invalid_field"

    def __init__(
        self,
        param: str,
        message: str,
        *,
        title: str | None = None,
        code: str | None = None,
        details: Sequence[Mapping[str, str]] = (),
    ) -> None:
        super().__init__(message, title=title, code=code)
        self.param = param
        self.details = tuple(details)


class NotFound(CallerError):
    """There is no such thing, or it belongs to another organization."""

    title = "Not found"
    code = "not_found"
    status = 404


class Conflict(CallerError):
    """The thing is in a state, or in use, so that this can't be done now."""

    title = "Conflict"
    code = "conflict"
    status = 409


class LimitReached(CallerError):
    """A rate or a concurrency limit. `retry_after_s` is in whole seconds."""

    title = "Too many requests"
    code = "rate_limited"
    status = 429

    def __init__(
        self, message: str, *, retry_after_s: int, title: str | None = None, code: str | None = None
    ) -> None:
        super().__init__(message, title=title, code=code)
        self.retry_after_s = retry_after_s


class NotNow(CallerError):
    """The service can't take this now (draining, PBX away). `retry_after_s` is in whole seconds."""

    title = "Service unavailable"
    code = "unavailable"
    status = 503

    def __init__(
        self, message: str, *, retry_after_s: int = 5, title: str | None = None, code: str | None = None
    ) -> None:
        super().__init__(message, title=title, code=code)
        self.retry_after_s = retry_after_s


class UpstreamError(TrunklineError):
    """The PBX, the carrier or a model failed.

    Attributes:
        retryable: true only where a second try can't reach the far side twice.
    """

    title = "Upstream failure"
    code = "upstream_error"
    status = 502

    def __init__(self, message: str, *, retryable: bool = False, code: str | None = None) -> None:
        super().__init__(message, code=code)
        self.retryable = retryable


class InternalError(TrunklineError):
    """A defect of ours."""

    title = "Internal error"
    code = "internal_error"
