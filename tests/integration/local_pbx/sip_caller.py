"""A caller made of one UDP socket: sends an INVITE and tells every answer as it came over the wire."""

from __future__ import annotations

import re
import socket
import time
import uuid
from typing import Self

_SDP = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"


class SipCaller:
    """One call. `invite` begins it, `statuses` collects what came; `cancel` or `bye` end it."""

    def __init__(self, host: str, port: int, number: str) -> None:
        self.target = (host, port)
        self.uri = f"sip:{number}@{host}:{port}"
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((host, 0))
        self.here = f"{host}:{self.socket.getsockname()[1]}"
        self.branch = f"z9hG4bK{uuid.uuid4().hex}"
        self.call_id = uuid.uuid4().hex
        self.statuses: list[int] = []
        self.to = f"<{self.uri}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def invite(self) -> None:
        self._send("INVITE", 1, self.branch, _SDP)

    def wait(self, until: int, timeout_s: float = 8.0) -> int:
        """Reads answers until one of at least `until`; acknowledges a final one and returns it."""
        deadline = time.monotonic() + timeout_s
        while (left := deadline - time.monotonic()) > 0:
            self.socket.settimeout(left)
            answer = self.socket.recv(4096).decode(errors="replace")
            match = re.match(r"SIP/2.0 (\d{3})", answer)
            if not match or "CSeq: 1 INVITE" not in answer:
                continue
            status = int(match[1])
            self.statuses.append(status)
            if status >= 200:
                to = re.search(r"^To: (.*?)\r", answer, re.MULTILINE | re.IGNORECASE)
                self.to = to[1] if to else self.to
                self._send("ACK", 1, self.branch if status >= 300 else self.branch + "a", "")
            if status >= until:
                return status
        raise TimeoutError(f"no answer of {until} or more; got {self.statuses}")

    def cancel(self) -> None:
        self._send("CANCEL", 1, self.branch, "")

    def bye(self) -> None:
        self._send("BYE", 2, self.branch + "b", "")

    def _send(self, method: str, number: int, branch: str, body: str) -> None:
        kind = "Content-Type: application/sdp\r\n" if body else ""
        text = (
            f"{method} {self.uri} SIP/2.0\r\nVia: SIP/2.0/UDP {self.here};rport;branch={branch}\r\nMax-Forwards: 70\r\n"
            f"From: <sip:caller@{self.here}>;tag=caller\r\nTo: {self.to}\r\nCall-ID: {self.call_id}\r\nCSeq: {number} {method}\r\n"
            f"Contact: <sip:caller@{self.here}>\r\n{kind}Content-Length: {len(body)}\r\n\r\n{body}"
        )
        self.socket.sendto(text.encode(), self.target)
