"""List, create, get, patch and delete, the same for everything an organization owns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from pydantic import BaseModel, create_model

from trunkline.api.operation import Answer, Ask, Operation
from trunkline.api.render_call import Shape
from trunkline.api.services import ApiServices
from trunkline.core.ids import OrganizationId


class Service(Protocol):
    """What each resource's service offers; answers are the API's JSON."""

    async def create(self, organization_id: OrganizationId, request: Any) -> dict[str, Any]:
        """A new one."""
        ...

    async def list(self, organization_id: OrganizationId) -> list[dict[str, Any]]:
        """All, newest first."""
        ...

    async def get(self, organization_id: OrganizationId, row_id: str) -> dict[str, Any]:
        """One."""
        ...

    async def patch(self, organization_id: OrganizationId, row_id: str, request: Any) -> dict[str, Any]:
        """Changes the given fields."""
        ...

    async def delete(self, organization_id: OrganizationId, row_id: str) -> None:
        """Removes it."""
        ...


class Deleted(Shape):
    """It is gone."""

    success: Literal[True]


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind of thing under one path.

    Attributes:
        noun: for ids and sentences, such as `assistant`.
        service: finds its service.
        one, many: the names under which an answer carries it; more than one where clients know it by several.
        shape: documents it.
        examples: bodies of a new one, by title.
    """

    path: str
    tag: str
    noun: str
    service: Callable[[ApiServices], Service]
    create: type[BaseModel]
    patch: type[BaseModel]
    shape: type[BaseModel]
    one: Sequence[str]
    many: Sequence[str]
    examples: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """`Assistant` of `assistant`, as operation ids and models spell it."""
        return self.noun.title().replace(" ", "")

    def wrapped(self, found: dict[str, Any]) -> dict[str, Any]:
        """One in its envelope."""
        return dict.fromkeys(self.one, found)


def crud(resource: Resource) -> tuple[Operation[Any, Any], ...]:
    """The five operations of a resource."""
    envelope = _model(f"{resource.name}Answer", f"One {resource.noun}.", resource.one, resource.shape)
    return (*_on_all(resource, envelope), *_on_one(resource, envelope))


def _model(name: str, doc: str, names: Sequence[str], content: Any) -> type[BaseModel]:
    """The model of an envelope: the same content under each name."""
    fields: dict[str, Any] = dict.fromkeys(names, (content, ...))
    return create_model(name, __base__=Shape, __doc__=doc, **fields)


def _on_all(resource: Resource, envelope: type[BaseModel]) -> tuple[Operation[Any, Any], ...]:
    async def all_of_them(ask: Ask[None, None]) -> Answer:
        return Answer(
            dict.fromkeys(resource.many, await resource.service(ask.services).list(ask.organization_id))
        )

    async def create(ask: Ask[Any, None]) -> Answer:
        made = await resource.service(ask.services).create(ask.organization_id, ask.body)
        return Answer(resource.wrapped(made), headers={"Location": f"{resource.path}/{made['id']}"})

    name, pointer = resource.name, f"/{resource.one[0]}/id"
    links = {verb: (f"{verb}{name}", pointer) for verb in ("get", "update", "delete")}
    path, tag = resource.path, resource.tag
    page = _model(f"{name}List", f"Every {resource.noun}, newest first.", resource.many, list[resource.shape])  # type: ignore[name-defined]  # chosen at run time
    return (
        Operation("GET", path, f"list{name}s", tag, f"List every {resource.noun}", all_of_them, answer=page),
        Operation(
            "POST",
            path,
            f"create{name}",
            tag,
            f"Create a new {resource.noun}",
            create,
            body=resource.create,
            answer=envelope,
            status=201,
            errors=(404,),
            examples=resource.examples,
            links=links,
        ),
    )


def _on_one(resource: Resource, envelope: type[BaseModel]) -> tuple[Operation[Any, Any], ...]:
    async def get(ask: Ask[None, None]) -> Answer:
        return Answer(resource.wrapped(await resource.service(ask.services).get(ask.organization_id, ask.id)))

    async def update(ask: Ask[Any, None]) -> Answer:
        changed = await resource.service(ask.services).patch(ask.organization_id, ask.id, ask.body)
        return Answer(resource.wrapped(changed))

    async def delete(ask: Ask[None, None]) -> Answer:
        await resource.service(ask.services).delete(ask.organization_id, ask.id)
        return Answer({"success": True})

    name, noun, tag, path = resource.name, resource.noun, resource.tag, resource.path + "/{id}"
    return (
        Operation("GET", path, f"get{name}", tag, f"Get one {noun}", get, answer=envelope),
        Operation(
            "PATCH",
            path,
            f"update{name}",
            tag,
            f"Change one {noun}",
            update,
            description="Only the given fields change; null clears.",
            body=resource.patch,
            answer=envelope,
            errors=(409,),
        ),
        Operation(
            "DELETE", path, f"delete{name}", tag, f"Delete one {noun}", delete, answer=Deleted, errors=(409,)
        ),
    )
