"""RFC 6455 from the client's side: what goes out can be read by any server, what comes in is cut into whole messages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.pbx.asterisk.wire import (
    MAX_HEAD_BYTES,
    MessageReader,
    Opcode,
    WireError,
    accept_value,
    apply_mask,
    encode,
    read_upgrade,
    upgrade_request,
)

KEY = b"the sample nonce"  # RFC 6455 section 1.3
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def server_message(opcode: int, payload: bytes) -> bytes:
    size = len(payload)
    head = bytes((0x80 | opcode, size)) if size < 126 else bytes((0x80 | opcode, 126, size >> 8, size & 255))
    return head + payload


def decode_client(data: bytes) -> tuple[int, bytes]:
    assert data[1] & 0x80, "a client masks"
    size, at = data[1] & 0x7F, 2
    if size == 126:
        size, at = int.from_bytes(data[2:4], "big"), 4
    mask, body = data[at : at + 4], data[at + 4 :]
    assert len(body) == size
    return data[0] & 0x0F, bytes(byte ^ mask[i % 4] for i, byte in enumerate(body))


def answer(*, status: str = "101 Switching Protocols", accept: str = ACCEPT, extra: str = "") -> bytes:
    return (
        f"HTTP/1.1 {status}\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {accept}\r\n{extra}\r\n".encode()
    )


def test_the_handshake_asks_for_the_media_protocol():
    """The request names host, path, key and subprotocol, and ends with an empty line."""
    lines = upgrade_request("pbx:8088", "/media/abc", KEY, "Basic eA==").decode().split("\r\n")

    assert lines[0] == "GET /media/abc HTTP/1.1"
    assert "Host: pbx:8088" in lines
    assert "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==" in lines
    assert "Sec-WebSocket-Protocol: media" in lines
    assert "Authorization: Basic eA==" in lines
    assert lines[-2:] == ["", ""]


def test_the_accept_value_is_that_of_the_standard():
    """The example of RFC 6455 section 1.3."""
    assert accept_value(KEY) == ACCEPT


def test_what_follows_the_answer_is_kept():
    """Asterisk's first message may come in the same segment as the handshake's answer."""
    assert read_upgrade(answer() + b"\x82\x01x", KEY) == b"\x82\x01x"


def test_half_an_answer_waits_for_more():
    """Nothing is decided before the empty line."""
    assert read_upgrade(answer()[:-2], KEY) is None


@pytest.mark.parametrize(
    "data",
    [
        answer(status="404 Not Found"),
        answer(status="409 Conflict"),
        answer(accept="something else"),
        answer(extra="Sec-WebSocket-Extensions: permessage-deflate\r\n"),
        b"x" * (MAX_HEAD_BYTES + 1),
    ],
)
def test_a_wrong_answer_is_refused(data: bytes):
    """A refusal, a foreign key, an extension we did not offer, an endless head."""
    with pytest.raises(WireError):
        read_upgrade(data, KEY)


@given(st.sampled_from(list(Opcode)), st.binary(max_size=5000), st.binary(min_size=4, max_size=4))
def test_a_server_reads_what_we_write(opcode: Opcode, payload: bytes, mask: bytes):
    """Encoding and RFC 6455 decoding are inverse, for every size and mask."""
    assert decode_client(encode(opcode, payload, mask)) == (opcode, payload)


def test_a_message_that_asterisk_would_not_take_is_our_mistake():
    """More than 65535 bytes."""
    with pytest.raises(ValueError, match="65535"):
        encode(Opcode.BINARY, bytes(65_536), b"abcd")


@given(st.binary(max_size=700), st.binary(min_size=4, max_size=4))
def test_masking_twice_is_nothing(payload: bytes, mask: bytes):
    """The mask is an XOR."""
    assert apply_mask(apply_mask(payload, mask), mask) == payload


@given(
    st.lists(st.tuples(st.sampled_from([1, 2, 8, 9, 10]), st.binary(max_size=400)), max_size=6),
    st.lists(st.integers(1, 300), max_size=20),
)
def test_messages_do_not_depend_on_how_the_bytes_arrive(messages: list[tuple[int, bytes]], cuts: list[int]):
    """Whatever the segments, the same messages come out, in order."""
    stream = b"".join(server_message(opcode, payload) for opcode, payload in messages)
    reader, seen, start = MessageReader(), [], 0
    for cut in [*cuts, len(stream) + 1]:
        seen += reader.feed(stream[start : start + cut])
        start += cut

    assert seen == messages


@pytest.mark.parametrize(
    "data",
    [
        bytes((0x82, 0xFF)) + bytes(8),  # masked by a server
        bytes((0x82, 127)) + bytes(8),  # 64-bit length
        bytes((0x02, 3)) + b"abc",  # a fragment
        bytes((0x80, 3)) + b"abc",  # its continuation
        bytes((0xC2, 3)) + b"abc",  # an extension's bit
        bytes((0x83, 3)) + b"abc",  # an opcode that does not exist
    ],
)
def test_a_stream_that_makes_no_sense_is_an_error(data: bytes):
    """Not an endless wait, and not garbage in somebody's ear."""
    with pytest.raises(WireError):
        MessageReader().feed(data)


@given(st.binary(max_size=300))
def test_hostile_bytes_raise_the_documented_error_or_nothing(data: bytes):
    """No other exception, whatever arrives."""
    reader = MessageReader()
    try:
        reader.feed(data)
    except WireError:
        return
