"""Secrets inside an assistant's document: encrypted where they rest, masked where they are shown.

A sealed value is an object `{"$sealed": token}`. Clients can't forge one: every field that may hold a secret takes strings only,
and what they write into free fields is sealed by name before it is stored.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

MASK: Final = "••••••••"
"""What is shown for a secret. Sent back by a client, it means "unchanged"."""

_SECRET_NAMES: Final = frozenset(
    {
        "webhook_secret",
        "secret",
        "api_key",
        "apikey",
        "password",
        "auth_token",
        "access_token",
        "authorization",
        "headers",
    }
)
_OPEN: Final = frozenset(
    {"parameters", "schema", "metadata", "messages"}
)  # clients' own documents: a field called `secret` there is none


def _is_secret(name: str) -> bool:
    return name.lower().replace("-", "_") in _SECRET_NAMES


def _strings(value: Any, change: Callable[[str], Any]) -> Any:
    """Changes every string inside `value`, however deep."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return value if "$sealed" in value else {key: _strings(item, change) for key, item in value.items()}
    if isinstance(value, list):
        return [_strings(item, change) for item in value]
    return value


def _walk(value: Any, on_secret: Callable[[Any], Any]) -> Any:
    """Applies `on_secret` to the value of every member with a secret's name."""
    if isinstance(value, list):
        return [_walk(item, on_secret) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: item
        if key in _OPEN or item is None
        else on_secret(item)
        if _is_secret(key)
        else _walk(item, on_secret)
        for key, item in value.items()
    }


def masked(config: dict[str, Any]) -> dict[str, Any]:
    """The document with a mask for every secret, sealed or not."""

    def hide(value: Any) -> Any:
        if isinstance(value, dict) and "$sealed" not in value:
            return dict.fromkeys(value, MASK)
        return MASK

    hidden: dict[str, Any] = _walk(config, hide)
    return hidden


def sealed(config: dict[str, Any], seal: Callable[[str], str]) -> dict[str, Any]:
    """The document with every secret encrypted."""
    closed: dict[str, Any] = _walk(
        config, lambda value: _strings(value, lambda text: {"$sealed": seal(text)})
    )
    return closed


def opened(config: Any, unseal: Callable[[str], str]) -> Any:
    """The document with every sealed value in clear, for the engines and webhooks of one call."""
    if isinstance(config, dict):
        if set(config) == {"$sealed"}:
            return unseal(config["$sealed"])
        return {key: opened(item, unseal) for key, item in config.items()}
    if isinstance(config, list):
        return [opened(item, unseal) for item in config]
    return config


def unmasked(new: Any, saved: Any) -> Any:
    """Puts saved secrets back where a client returned the mask it was shown; without a saved one the field is left out.

    List items are paired by name, else by place.
    """
    if isinstance(new, dict):
        known = saved if isinstance(saved, dict) else {}
        return {
            key: known[key] if item == MASK else unmasked(item, known.get(key))
            for key, item in new.items()
            if item != MASK or key in known
        }
    if isinstance(new, list):
        known_items = saved if isinstance(saved, list) else []
        return [unmasked(item, _counterpart(item, index, known_items)) for index, item in enumerate(new)]
    return new


def _counterpart(item: Any, index: int, saved: list[Any]) -> Any:
    name = _tool_name(item)
    if name is not None:
        return next((other for other in saved if _tool_name(other) == name), None)
    return saved[index] if index < len(saved) else None


def _tool_name(item: Any) -> str | None:
    if not isinstance(item, dict):
        return None
    function = item.get("function")
    name = function.get("name") if isinstance(function, dict) else item.get("name")
    return name if isinstance(name, str) else None
