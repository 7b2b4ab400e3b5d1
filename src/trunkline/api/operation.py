"""What one operation of the API is: its route, what it takes, what it answers. Routes and the OpenAPI document both come from it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

from aiohttp import web
from pydantic import BaseModel

from trunkline.api.services import ApiServices
from trunkline.core.ids import OrganizationId
from trunkline.store.rows import IdempotencyRow

Method = Literal["GET", "POST", "PATCH", "DELETE"]
Body = TypeVar("Body")
Query = TypeVar("Query")


@dataclass(frozen=True, slots=True)
class Answer:
    """A JSON answer. `body` is plain dicts and lists; the status is the operation's own unless another is given."""

    body: Any
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ask(Generic[Body, Query]):
    """A request that was admitted and parsed.

    Attributes:
        organization_id: whose key it came with; empty for public operations.
        path: the ids in its path, decoded.
        body, query: the checked models, None where the operation takes none.
        claim: the idempotency key it runs under.
        http: the request itself, for answers that are streams or files.
    """

    services: ApiServices
    organization_id: OrganizationId
    path: Mapping[str, str]
    body: Body
    query: Query
    claim: IdempotencyRow | None
    http: web.Request

    @property
    def id(self) -> str:
        """The `{id}` of the path."""
        return self.path["id"]

    @property
    def origin(self) -> str:
        """Scheme, host and port as the client wrote them, for links in answers."""
        return f"{self.http.scheme}://{self.http.host}"


Act = Callable[[Ask[Body, Query]], Awaitable[Answer | web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Operation(Generic[Body, Query]):
    """One method on one path.

    Attributes:
        id: the operationId.
        act: carries it out; everything before it (key, limits, parsing, idempotency) is done for it.
        body: the model of the body, or a `TypeAdapter` where it is one of several.
        read: parses the body where `parse` with its model doesn't.
        answer: the model that documents the JSON answer; None for streams, files and pages.
        content: media type of the answer.
        status: of success.
        errors: statuses beside those that follow from its shape.
        public: needs no key.
        local: needs none from the machine itself.
        limited_by_call: counts against the call's own limit, too.
        examples: request bodies by title.
        links: name of a link to (operationId, JSON pointer to the id in the answer).
    """

    method: Method
    path: str
    id: str
    tag: str
    summary: str
    act: Act[Body, Query]
    description: str = ""
    body: Any = None
    read: Callable[[object], Body] | None = None
    query: type[Query] | None = None
    answer: type[BaseModel] | None = None
    content: str = "application/json"
    status: int = 200
    errors: tuple[int, ...] = ()
    public: bool = False
    local: bool = False
    limited_by_call: bool = False
    examples: Mapping[str, Any] = field(default_factory=dict)
    links: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    @property
    def statuses(self) -> tuple[int, ...]:
        """Every error status it may answer, sorted."""
        found = {429, 500, *self.errors}
        if not self.public:
            found.add(401)
        if "{" in self.path:
            found.add(404)
        if self.query or self.body or self.method == "POST":
            found.add(400)
        if self.body:
            found |= {408, 413, 415}
        if self.method == "POST":
            found |= {409, 422}
        return tuple(sorted(found))
