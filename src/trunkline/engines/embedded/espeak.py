"""Text to speech in about a hundred languages: espeak-ng as a process of its own. Intelligible, robotic, always there."""

from __future__ import annotations

import asyncio
import contextlib
import re
import shutil
from collections.abc import AsyncIterator

import numpy as np

from trunkline.audio.resample import Resampler
from trunkline.core.errors import InvalidField, UpstreamError
from trunkline.engines.port import Pcm

START_TIMEOUT_S = 5.0
CHUNK_TIMEOUT_S = 5.0
MAX_TEXT_CHARS = 4_000
_VOICE = re.compile(r"[A-Za-z0-9][A-Za-z0-9+_-]{0,39}")
_RATE_HZ = 22_050
_WAV_HEADER_BYTES = 44
_CHUNK_BYTES = _RATE_HZ * 2 // 10
"""100 ms, so that the first words are heard while the others are made, and converting them does not hold the event loop up."""
_WORDS_PER_MINUTE = 165


class Espeak:
    """A voice, shared by all calls; one short-lived process for each text.

    Args:
        voice: a language or voice name of espeak-ng, such as `de`, `nl`, `en-gb`, `es-419`.
        speed: 0.5 (slow) to 2.0 (fast).
        program: the executable's name or path.

    Raises:
        InvalidField: the voice's name is none.
    """

    def __init__(self, voice: str = "en", speed: float = 1.0, program: str = "espeak-ng") -> None:
        # A name with a slash would be taken for a file.
        if not _VOICE.fullmatch(voice):
            raise InvalidField(
                "tts_config.voice_id",
                "tts_config.voice_id must be a voice of espeak-ng, such as de or en-gb.",
            )
        self._voice = voice
        self._speed = speed
        self._program = program

    @property
    def name(self) -> str:
        """`espeak/<voice>`, and the speed where it is not natural."""
        return f"espeak/{self._voice}" if self._speed == 1 else f"espeak/{self._voice}@{self._speed:g}"

    async def warm_up(self) -> None:
        """Checks that the program is there.

        Raises:
            UpstreamError: it is not.
        """
        if shutil.which(self._program) is None:
            raise _not_installed(self._program)

    async def speak(self, text: str, rate_hz: int) -> AsyncIterator[Pcm]:
        """Streams the text; closing the iterator kills the process.

        Raises:
            UpstreamError: the program is missing, is stuck, or does not know the voice.
        """
        process = await self._start(text[:MAX_TEXT_CHARS])
        resampler = Resampler(_RATE_HZ, rate_hz)
        try:
            await self._read(process, _WAV_HEADER_BYTES)
            while chunk := await self._read(process, _CHUNK_BYTES):
                whole = chunk[: len(chunk) // 2 * 2]
                pcm = resampler.push(np.frombuffer(whole, np.dtype("<i2")).astype(np.int16))
                if len(pcm):
                    yield pcm
                await asyncio.sleep(
                    0
                )  # what waits in the pipe is read without waiting: others must get their turn
            if len(tail := resampler.finish()):
                yield tail
            await self._check_end(process)
        finally:
            await _end(process)

    async def _start(self, text: str) -> asyncio.subprocess.Process:
        speed = str(round(_WORDS_PER_MINUTE * self._speed))
        # The text goes through standard input, so that no text can be taken for an option.
        arguments = ("-v", self._voice, "-s", speed, "-b", "1", "--stdin", "--stdout")
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                process = await asyncio.create_subprocess_exec(
                    self._program,
                    *arguments,
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.DEVNULL,
                )
        except FileNotFoundError as error:
            raise _not_installed(self._program) from error
        except (OSError, TimeoutError) as error:
            raise UpstreamError(
                "espeak: the program can't be started.", retryable=True, code="speech_failed"
            ) from error
        assert process.stdin is not None
        process.stdin.write(text.encode())
        process.stdin.write_eof()
        return process

    async def _read(self, process: asyncio.subprocess.Process, size: int) -> bytes:
        """Up to `size` bytes, fewer only at the end."""
        assert process.stdout is not None
        try:
            async with asyncio.timeout(CHUNK_TIMEOUT_S):
                return await process.stdout.readexactly(size)
        except asyncio.IncompleteReadError as end:
            return end.partial
        except TimeoutError as error:
            raise UpstreamError(
                "espeak: the program is stuck.", retryable=True, code="speech_failed"
            ) from error

    async def _check_end(self, process: asyncio.subprocess.Process) -> None:
        try:
            async with asyncio.timeout(CHUNK_TIMEOUT_S):
                status = await process.wait()
        except TimeoutError as error:
            raise _stuck() from error
        if status != 0:
            raise UpstreamError(
                f"espeak: voice {self._voice!r} can't be used (exit status {status}).", code="speech_failed"
            )


def _stuck() -> UpstreamError:
    return UpstreamError("espeak: the program is stuck.", retryable=True, code="speech_failed")


def _not_installed(program: str) -> UpstreamError:
    return UpstreamError(
        f"espeak: {program} is not installed; apt install espeak-ng.", code="engine_not_installed"
    )


async def _end(process: asyncio.subprocess.Process) -> None:
    """Kills what still runs, and reaps it."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
    async with asyncio.timeout(CHUNK_TIMEOUT_S):
        await process.wait()
