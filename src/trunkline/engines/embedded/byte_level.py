"""Whisper's byte-level vocabulary: token ids to text, and words to token ids. Pure after loading.

Every byte is written as one printable character (GPT-2's alphabet), so that a vocabulary file is text without blanks.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path


def _alphabet() -> dict[int, str]:
    """Byte to character: printable Latin-1 stands for itself, the rest is moved above U+00FF in order."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {byte: chr(byte) for byte in printable} | {byte: chr(0x100 + n) for n, byte in enumerate(others)}


_TO_CHAR = _alphabet()
_TO_BYTE = {char: byte for byte, char in _TO_CHAR.items()}


@dataclass(frozen=True)
class Vocabulary:
    """The tokens of one model.

    Attributes:
        tokens: by id.
        ids: by token.
        ranks: how early a pair of pieces is merged; empty when the folder has no tokenizer.json, then words can't be encoded.
    """

    tokens: Sequence[str]
    ids: dict[str, int]
    ranks: dict[tuple[str, str], int]

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ordinary tokens; special ones (`<|...|>`) are left out, broken UTF-8 becomes U+FFFD."""
        pieces = (self.tokens[token] for token in ids)
        data = bytearray()
        for piece in pieces:
            if not (piece.startswith("<|") and piece.endswith("|>")):
                data.extend(_TO_BYTE[char] for char in piece)
        return data.decode("utf-8", errors="replace").strip()

    def encode(self, text: str) -> list[int]:
        """Token ids of plain words, each with the blank before it; [] when the merges are not known."""
        if not self.ranks:
            return []
        return [
            self.ids[piece] for word in text.split() for piece in self._merge(" " + word) if piece in self.ids
        ]

    def _merge(self, word: str) -> list[str]:
        pieces = [_TO_CHAR[byte] for byte in word.encode()]
        while len(pieces) > 1:
            ranked = [(self.ranks.get(pair, len(self.ranks)), n) for n, pair in enumerate(pairwise(pieces))]
            rank, at = min(ranked)
            if rank == len(self.ranks):
                break
            pieces[at : at + 2] = [pieces[at] + pieces[at + 1]]
        return pieces


def load_vocabulary(folder: Path) -> Vocabulary:
    """Reads `vocabulary.json` or `vocabulary.txt`, and the merges of `tokenizer.json` where there is one.

    Raises:
        OSError: a file can't be read.
        ValueError: a file is not what its name says.
    """
    as_json = folder / "vocabulary.json"
    if as_json.is_file():
        tokens = list(json.loads(as_json.read_text("utf-8")))
    else:
        tokens = (folder / "vocabulary.txt").read_text("utf-8").split("\n")
    merges: list[str | list[str]] = []
    tokenizer = folder / "tokenizer.json"
    if tokenizer.is_file():
        merges = json.loads(tokenizer.read_text("utf-8")).get("model", {}).get("merges", [])
    pairs = (tuple(pair.split(" ")) if isinstance(pair, str) else tuple(pair) for pair in merges)
    ranks = {(pair[0], pair[1]): rank for rank, pair in enumerate(pairs)}
    return Vocabulary(tokens, {token: number for number, token in enumerate(tokens)}, ranks)
