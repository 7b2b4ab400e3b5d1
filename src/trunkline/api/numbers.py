"""`/numbers`."""

from __future__ import annotations

from typing import Any, Final

from pydantic import Field

from trunkline.api.crud import Resource, crud
from trunkline.api.operation import Operation
from trunkline.api.render_call import TIME, Shape
from trunkline.resources.numbers import NumberCreate, NumberPatch


class SavedNumber(Shape):
    """A number of yours."""

    id: str
    phone_number: str = Field(description="E.164.", examples=["+31207654321"])
    name: str | None = Field(description="How people call it.")
    assistant_id: str | None = Field(description="Who answers.")
    agent_id: str | None = Field(description="The same as `assistant_id`.")
    agent_name: str | None = Field(description="That assistant's name.")
    business_name: str | None = Field(description="On whose behalf it speaks.")
    transfer_trunk_id: str | None = Field(description="The trunk on which transfers leave.")
    transfer_trunk_name: str | None
    outbound_trunk_id: str | None = Field(
        description="The trunk on which calls leave; null: the transfer trunk."
    )
    outbound_trunk_name: str | None
    source: str = Field(description="Where it comes from.", examples=["sip_trunk"])
    is_active: bool = Field(description="An inactive number takes and makes no calls.")
    last_used_at: str | None = Field(description="When it called last.", pattern=TIME)
    created_at: str = Field(pattern=TIME)
    updated_at: str = Field(pattern=TIME)


OPERATIONS: Final[tuple[Operation[Any, Any], ...]] = crud(
    Resource(
        path="/numbers",
        tag="Numbers",
        noun="number",
        service=lambda services: services.numbers,
        create=NumberCreate,
        patch=NumberPatch,
        shape=SavedNumber,
        one=("number",),
        many=("numbers",),
        examples={"A number of yours": {"phone_number": "+31207654321", "name": "Front desk"}},
    )
)
