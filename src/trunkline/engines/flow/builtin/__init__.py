"""Flows that are shipped: a JSON file each, named like the flow."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Final

from trunkline.core.errors import InvalidField
from trunkline.engines.flow.document import FlowDocument, parse_flow

_FOLDER: Final = Path(__file__).parent


def built_in_names() -> tuple[str, ...]:
    """What `llm_config.model` may name with provider `flow`."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.json")))


@cache
def built_in_flow(name: str) -> FlowDocument:
    """A flow that is shipped.

    Raises:
        InvalidField: there is none of that name.
    """
    if name not in built_in_names():
        known = ", ".join(built_in_names())
        raise InvalidField(
            "llm_config.model",
            f"llm_config.model must be a built-in flow ({known}), or llm_config.flow must be given.",
        )
    return parse_flow(json.loads((_FOLDER / f"{name}.json").read_text("utf-8")), name)
