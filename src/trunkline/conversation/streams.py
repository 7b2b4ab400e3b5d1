"""Reading from engines: never without a limit, and always closed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Generic, TypeVar

from trunkline.core.errors import UpstreamError

T = TypeVar("T")


class LimitedStream(Generic[T]):
    """An engine's stream, read piece by piece. Raises `UpstreamError` when a piece takes longer than `limit_s`."""

    def __init__(self, pieces: AsyncIterator[T], limit_s: float, name: str) -> None:
        self._pieces = pieces
        self._limit_s = limit_s
        self._name = name
        self._next: asyncio.Task[T | None] | None = None

    async def next(self) -> T | None:
        """The next piece; None after the last."""
        if self._next is None:
            return await self._read()
        reading, self._next = self._next, None
        return await reading

    async def is_ready_within(self, seconds: float) -> bool:
        """Whether the next piece (or the end) comes in so short a time; it is kept for `next`."""
        if self._next is None:
            self._next = asyncio.create_task(self._read(), name=f"read-ahead {self._name}")
        done, _ = await asyncio.wait({self._next}, timeout=seconds)
        return bool(done)

    async def close(self) -> None:
        """Ends the engine's work. Never raises for it."""
        if self._next is not None:
            self._next.cancel()
            await asyncio.gather(self._next, return_exceptions=True)
        close: Any = getattr(self._pieces, "aclose", None)
        if close is not None:
            await close()

    async def _read(self) -> T | None:
        try:
            async with asyncio.timeout(self._limit_s):
                return await anext(self._pieces)
        except StopAsyncIteration:
            return None
        except TimeoutError as error:
            raise UpstreamError(
                f"{self._name} gave nothing for {self._limit_s:g} s.", retryable=True
            ) from error


@asynccontextmanager
async def limited(pieces: AsyncIterator[T], limit_s: float, name: str) -> AsyncIterator[LimitedStream[T]]:
    """Reads a stream in a block; leaving the block closes it, whatever happened."""
    stream = LimitedStream(pieces, limit_s, name)
    try:
        yield stream
    finally:
        await stream.close()
