"""A look at AMI with nothing between: tells a closed port from a wrong password and a missing right."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Final, Self

Message = dict[str, str]

_TIMEOUT_S: Final = 5.0


class AmiRefusedError(Exception):
    """AMI answered an error; the text is Asterisk's own."""


class AmiProbe:
    """One AMI connection for a few questions. Use it as an async context manager; entering logs in."""

    def __init__(self, host: str, port: int, username: str, password: str) -> None:
        self._address = (host, port)
        self._login = {"Username": username, "Secret": password, "Events": "off"}
        self._count = 0
        self.banner = ""

    async def __aenter__(self) -> Self:
        """Connects and logs in.

        Raises:
            OSError: nothing listens there, or not in time.
            AmiRefusedError: it isn't AMI, or the login was refused.
        """
        async with asyncio.timeout(_TIMEOUT_S):
            self._reader, self._writer = await asyncio.open_connection(*self._address)
            self.banner = (await self._reader.readline()).decode(errors="replace").strip()
        if not self.banner.startswith("Asterisk Call Manager"):
            self._writer.close()
            raise AmiRefusedError(f"this is not AMI, it says {self.banner[:60]!r}")
        try:
            await self.ask("Login", self._login)
        except BaseException:
            self._writer.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()

    async def ask(self, action: str, fields: Message | None = None) -> Message:
        """Sends one action and returns its answer.

        Raises:
            AmiRefusedError: the answer is an error.
            OSError: the connection ended, or no answer in time.
        """
        self._count += 1
        headers = {"Action": action, "ActionID": f"doctor-{self._count}", **(fields or {})}
        if any(mark in text for pair in headers.items() for text in pair for mark in "\r\n"):
            raise ValueError("AMI fields must not hold line breaks")
        self._writer.write(
            "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode() + b"\r\n"
        )
        async with asyncio.timeout(_TIMEOUT_S):
            while True:
                message = await self._message()
                if message.get("ActionID") == headers["ActionID"] and "Response" in message:
                    break
        if message["Response"] == "Error":
            raise AmiRefusedError(message.get("Message", "no reason given"))
        return message

    async def _message(self) -> Message:
        message: Message = {}
        while line := (await self._reader.readline()).decode(errors="replace"):
            if line == "\r\n":
                return message
            name, _, value = line.rstrip("\r\n").partition(": ")
            message.setdefault(name, value)
        raise ConnectionResetError("AMI closed the connection")
