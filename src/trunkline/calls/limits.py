"""How many calls may be up at once: one counter for the service, one for each trunk.

A slot is reserved before anything is dialled and released exactly once. Counting and checking is one step without an
await between, so parallel requests can't pass the limit together.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from trunkline.core.errors import LimitReached
from trunkline.core.ids import TrunkId


@dataclass(slots=True)
class Slot:
    """A reserved line. `release` may be called any number of times; it counts once."""

    _lines: Lines
    trunk_id: TrunkId
    _held: bool = True

    def release(self) -> None:
        """Gives the line back."""
        if self._held:
            self._held = False
            self._lines.give_back(self.trunk_id)


@dataclass(slots=True)
class Lines:
    """The lines of this process.

    Attributes:
        limit: calls at once, over all trunks.
    """

    limit: int
    _in_use: Counter[TrunkId] = field(default_factory=Counter)

    @property
    def in_use(self) -> int:
        """Lines reserved now."""
        return self._in_use.total()

    def in_use_on(self, trunk_id: TrunkId) -> int:
        """Lines reserved on one trunk now."""
        return self._in_use[trunk_id]

    def reserve(self, trunk_id: TrunkId, trunk_limit: int | None) -> Slot:
        """Takes a line.

        Raises:
            LimitReached: the service or the trunk is full.
        """
        if self.in_use >= self.limit:
            raise LimitReached(
                f"All {self.limit} lines of this service are in use. Try again when a call has ended.",
                retry_after_s=5,
                code="concurrency_limit",
            )
        if trunk_limit is not None and self._in_use[trunk_id] >= trunk_limit:
            raise LimitReached(
                f"All {trunk_limit} channels of this trunk are in use. Try again when a call has ended.",
                retry_after_s=5,
                code="trunk_limit",
            )
        self._in_use[trunk_id] += 1
        return Slot(self, trunk_id)

    def give_back(self, trunk_id: TrunkId) -> None:
        """Called by `Slot.release`."""
        self._in_use[trunk_id] -= 1
        if not self._in_use[trunk_id]:
            del self._in_use[trunk_id]
