"""What we have to say ourselves, apart from answering the caller: it waits here, in order, until the floor is free."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass

from trunkline.conversation.latency import ReplyKind
from trunkline.conversation.replies import Replies, settle
from trunkline.conversation.reply import Reply
from trunkline.conversation.tool_use import AfterHeard


@dataclass(slots=True, eq=False)
class Wanted:
    """One thing to say.

    Attributes:
        asked_s: when it was asked for, monotonic seconds.
        text: the words; None asks the model.
        prepared: the reply, where it was made before.
        is_last: it ends the talk, and is heard to its end whatever the caller does.
        waiter: somebody who wants to know whether it was heard.
    """

    kind: ReplyKind
    asked_s: float
    text: str | None = None
    prepared: Reply | None = None
    after: AfterHeard | None = None
    is_last: bool = False
    waiter: asyncio.Future[bool] | None = None


class Agenda:
    """First come, first said. Filled by the API and by our own timers, emptied when the floor is free."""

    def __init__(self, replies: Replies) -> None:
        self._replies = replies
        self._wanted: deque[Wanted] = deque()

    def __bool__(self) -> bool:
        return bool(self._wanted)

    @property
    def next_is_last(self) -> bool:
        """The next thing to say ends the talk."""
        return self._wanted[0].is_last

    def add(self, wanted: Wanted) -> None:
        """Behind what waits already."""
        self._wanted.append(wanted)

    def add_first(self, wanted: Wanted) -> None:
        """Before everything else."""
        self._wanted.appendleft(wanted)

    def withdraw(self, wanted: Wanted) -> None:
        """No effect once it was taken."""
        if wanted in self._wanted:
            self._wanted.remove(wanted)

    def take_next(self) -> Reply:
        """Makes a reply of the next thing to say; withheld."""
        wanted = self._wanted.popleft()
        reply = wanted.prepared
        if reply is None and wanted.text is not None:
            reply = self._replies.recital(wanted.kind, wanted.text, wanted.asked_s)
        elif reply is None:
            reply = self._replies.answer(wanted.kind, wanted.asked_s)
        reply.after, reply.is_last, reply.waiter = wanted.after, wanted.is_last, wanted.waiter
        return reply

    def clear(self) -> None:
        """Nothing of it will be said."""
        for wanted in self._wanted:
            settle(wanted.waiter, heard=False)
        self._wanted.clear()
