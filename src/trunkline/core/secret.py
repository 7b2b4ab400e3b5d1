"""A value that never prints: API keys, passwords, provider keys."""

from __future__ import annotations

import hmac


class Secret:
    """Holds a secret; `str`, `repr` and logs show dots. `reveal()` is the only way out."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value itself: for the wire, never for a log or an answer."""
        return self._value

    def matches(self, candidate: str) -> bool:
        """Compares in constant time."""
        return hmac.compare_digest(self._value.encode(), candidate.encode())

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self.matches(other._value)

    def __hash__(self) -> int:
        return hash(self._value)

    def __repr__(self) -> str:
        return "Secret(••••)"

    __str__ = __repr__
