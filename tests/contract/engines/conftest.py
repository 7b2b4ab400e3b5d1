"""The engines' surroundings: an executor, a chat server on loopback, and prompts whose words are known."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator, Iterator

import pytest
from engines_kit import SOUNDS, WORDS_OF_SOUNDS
from openai_server import OpenAiServer

from trunkline.engines.executor import ModelExecutor


@pytest.fixture
def executor() -> Iterator[ModelExecutor]:
    executor = ModelExecutor(2)
    yield executor
    executor.shutdown()


@pytest.fixture
async def openai_server() -> AsyncIterator[OpenAiServer]:
    server = OpenAiServer()
    runner = await server.start()
    yield server
    await runner.cleanup()


@pytest.fixture(scope="session")
def human_prompts() -> dict[str, str]:
    """Names and words of the Debian package's prompts; the machine must have it (make test installs it)."""
    assert SOUNDS.is_dir(), "asterisk-core-sounds-en-wav is not installed; make test installs it"
    text = gzip.decompress(WORDS_OF_SOUNDS.read_bytes()).decode()
    pairs = (line.split(":", 1) for line in text.splitlines() if ":" in line and not line.startswith(";"))
    return {
        name.strip(): words.strip() for name, words in pairs if (SOUNDS / f"{name.strip()}.wav").is_file()
    }
