"""Rules over several fields, in JSON Schema, so that the published contract tells them too."""

from __future__ import annotations

from pydantic import JsonValue

Schema = dict[str, JsonValue]


def present(name: str, kind: str) -> Schema:
    """The field is given, as this JSON type (so not as null)."""
    return {"required": [name], "properties": {name: {"type": kind}}}


def not_both(one: str, other: str, kind: str) -> Schema:
    """Two names of one thing: give one of them."""
    return {"not": {"required": [one, other], "properties": {one: {"type": kind}, other: {"type": kind}}}}
