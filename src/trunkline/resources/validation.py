"""From a client's JSON to a checked model, or to an error that names the field as the client wrote it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from trunkline.core.errors import InvalidField

M = TypeVar("M", bound=BaseModel)

_OPENINGS = (
    ("Input should be", "must be"),
    ("Input should", "must"),
    ("String should", "must"),
    ("List should", "must"),
    ("Dictionary should", "must"),
    ("Value error, ", ""),
)
_PHRASES = {
    "missing": "is required",
    "string_type": "must be a string",
    "bool_type": "must be true or false",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "list_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "string_unicode": "must be well-formed Unicode",
    "string_pattern_mismatch": "has the wrong form",
}


def parse(model: type[M], data: object, *, prefix: str = "") -> M:
    """Checks `data` against `model`.

    Args:
        model: what the data must be.
        data: parsed JSON, or the pairs of a query.
        prefix: where `data` sits in what the client sent, such as `assistant_override`.

    Raises:
        InvalidField: names the first wrong field; `details` lists all of them.
    """
    _refuse_unstorable(data, prefix)
    try:
        return model.model_validate(data)
    except ValidationError as error:
        problems = [
            describe(problem, prefix) for problem in error.errors(include_input=False, include_url=False)
        ]
    first = problems[0]
    raise InvalidField(first["param"], first["message"], code=first["code"], details=problems)


def describe(problem: ErrorDetails, prefix: str = "") -> dict[str, str]:
    """One of pydantic's errors as `{param, message, code}`. A rule over several fields names its own in `ctx["param"]`."""
    named = problem.get("ctx", {}).get("param")
    location: Sequence[str | int] = (*problem["loc"], named) if isinstance(named, str) else problem["loc"]
    param = _path(location, prefix) or "body"
    code = "required_field" if problem["type"] == "missing" else "invalid_field"
    return {"param": param, "message": f"{param} {_phrase(problem)}.", "code": code}


def _phrase(problem: ErrorDetails) -> str:
    phrase = _PHRASES.get(problem["type"])
    if phrase is not None:
        return phrase
    text = problem["msg"].rstrip(".")
    for opening, ours in _OPENINGS:
        if text.startswith(opening):
            return ours + text.removeprefix(opening)
    return text


def _path(location: Sequence[str | int], prefix: str) -> str:
    path = prefix
    for part in location:
        if isinstance(part, int):
            path += f"[{part}]"
        elif not part.startswith("<"):  # a tagged union puts its tag, which we spell in <>, into the path
            path += f".{part}" if path else part
    return path


def _refuse_unstorable(data: object, path: str) -> None:
    """Refuses what JSON text can carry but neither a database nor a strict reader can keep: lone surrogates, NaN, Infinity."""
    match data:
        case str():
            if not data.isascii() and any("\ud800" <= char <= "\udfff" for char in data):
                raise InvalidField(path or "body", f"{path or 'body'} must be well-formed Unicode.")
        case float():
            if not math.isfinite(data):
                raise InvalidField(path or "body", f"{path or 'body'} must be a finite number.")
        case Mapping():
            for key, value in data.items():
                _refuse_unstorable(key, path)
                _refuse_unstorable(value, f"{path}.{key}" if path else str(key))
        case list():
            for index, value in enumerate(data):
                _refuse_unstorable(value, f"{path}[{index}]")


def without_nulls(value: Any, keep: frozenset[str] = frozenset()) -> Any:
    """The same JSON without null members, except those named in `keep`, where null means something."""
    if isinstance(value, dict):
        return {
            key: without_nulls(item, keep) for key, item in value.items() if item is not None or key in keep
        }
    if isinstance(value, list):
        return [without_nulls(item, keep) for item in value]
    return value
