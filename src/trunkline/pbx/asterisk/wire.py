"""The client's side of RFC 6455, as far as chan_websocket needs it: bytes in, messages out. No I/O, no chance.

Left out on purpose: extensions (Asterisk offers none) and fragmented messages (Asterisk sends none); both are errors here.
"""

from __future__ import annotations

import base64
import hashlib
from enum import IntEnum
from typing import Final

_ACCEPT_SALT: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 section 1.3
_FIN: Final = 0x80
_MASKED: Final = 0x80
_LENGTH_16: Final = 126
_LENGTH_64: Final = 127
MAX_HEAD_BYTES: Final = 16_384
"""A longer answer to the handshake is refused: it would only fill our memory."""
MAX_MESSAGE_BYTES: Final = 65_535
"""Asterisk neither sends nor takes longer messages."""


class WireError(Exception):
    """The far side does not speak the protocol we expect."""


class Opcode(IntEnum):
    """RFC 6455 section 5.2."""

    CONTINUATION = 0
    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10


_OPCODES: Final = frozenset(Opcode)


def upgrade_request(host: str, path: str, key: bytes, authorization: str | None = None) -> bytes:
    """The opening handshake (RFC 6455 section 4.1).

    Args:
        host: name and port, as the `Host` header has it.
        path: absolute, already quoted.
        key: 16 random bytes.
        authorization: value of that header, where the HTTP server wants one.
    """
    lines = [
        f"GET {path} HTTP/1.1",
        f"Host: {host}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {base64.b64encode(key).decode()}",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Protocol: media",
    ]
    if authorization is not None:
        lines.append(f"Authorization: {authorization}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")


def accept_value(key: bytes) -> str:
    """What the server must answer to `key`."""
    return base64.b64encode(hashlib.sha1(base64.b64encode(key) + _ACCEPT_SALT).digest()).decode()  # noqa: S324


def read_upgrade(data: bytes, key: bytes) -> bytes | None:
    """Reads the answer to the handshake: what follows it, or None while it is not complete.

    Raises:
        WireError: refused, too long, or an answer to somebody else's key.
    """
    head, separator, rest = data.partition(b"\r\n\r\n")
    if not separator:
        if len(data) > MAX_HEAD_BYTES:
            raise WireError("the answer to the handshake is too long")
        return None
    status, *lines = head.decode("latin-1").split("\r\n")
    if not status.startswith("HTTP/1.1 101"):
        raise WireError(f"the handshake was answered: {status[:80]}")
    headers = {
        name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)
    }
    if headers.get("sec-websocket-accept") != accept_value(key):
        raise WireError("the handshake was answered with a wrong key")
    if headers.get("sec-websocket-extensions"):
        raise WireError("the server insists on an extension")
    return rest


class MessageReader:
    """Cuts the byte stream into messages. One message a read is the rule, and costs no copy but its own."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """Takes what was read; returns the complete messages as (opcode, payload), in order.

        Raises:
            WireError: the stream can't be followed any further.
        """
        if self._rest:
            data = self._rest + data
        messages: list[tuple[int, bytes]] = []
        start, size = 0, len(data)
        while size - start >= 2:
            first, length = data[start], data[start + 1]
            body = start + 2
            if length >= _LENGTH_16:
                if length != _LENGTH_16:
                    raise WireError("masked or longer than any message of Asterisk")
                if size < body + 2:
                    break
                length = data[body] << 8 | data[body + 1]
                body += 2
            end = body + length
            if first & 0xF0 != _FIN or first & 0x0F not in _OPCODES or first == _FIN:
                raise WireError(f"unexpected first byte {first:#04x}")
            if size < end:
                break
            messages.append((first & 0x0F, data[body:end]))
            start = end
        self._rest = data[start:]
        return messages


def encode(opcode: int, payload: bytes, mask: bytes) -> bytes:
    """One whole message from us to the server, masked with four random bytes as RFC 6455 section 5.3 demands."""
    size = len(payload)
    if size < _LENGTH_16:
        head = bytes((_FIN | opcode, _MASKED | size))
    elif size <= MAX_MESSAGE_BYTES:
        head = bytes((_FIN | opcode, _MASKED | _LENGTH_16, size >> 8, size & 0xFF))
    else:
        raise ValueError(f"a message has at most {MAX_MESSAGE_BYTES} bytes")
    return head + mask + apply_mask(payload, mask)


def apply_mask(payload: bytes, mask: bytes) -> bytes:
    """Masks or unmasks: one wide XOR, as a loop over bytes in Python costs a hundred times more."""
    size = len(payload)
    key = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "little") ^ int.from_bytes(key, "little")).to_bytes(size, "little")
