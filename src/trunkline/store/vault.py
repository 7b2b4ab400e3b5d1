"""Secrets at rest: trunk passwords, webhook secrets, provider keys. AES-256-GCM; the key lives apart from the database.

A token is `v1:` and base64url of a 12-byte nonce, the ciphertext and its tag. What a token is for (`trunk:<id>`) is bound into it,
so that one copied to another row doesn't open.
"""

from __future__ import annotations

import base64
import binascii
import os
import stat
from pathlib import Path
from typing import Final, Self

import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import make_url

from trunkline.core.errors import InternalError

_VERSION: Final = "v1:"
_NONCE_BYTES: Final = 12
_KEY_BYTES: Final = 32
_log: Final = structlog.get_logger()


class Vault:
    """Seals and opens short secrets."""

    def __init__(self, key: bytes) -> None:
        if len(key) != _KEY_BYTES:
            raise InternalError("The vault key must be 32 bytes, written as base64.")
        self._cipher = AESGCM(key)

    @classmethod
    def open(cls, database_url: str, key: str | None = None) -> Self:
        """The vault of a database.

        Args:
            database_url: where the records are; the key file is beside it, made on first use, readable by its owner alone.
            key: base64 of 32 bytes, to be used instead of a file.

        Raises:
            InternalError: the key is malformed, or none was given and the database is no file.
        """
        if key:
            return cls(_decoded(key))
        name = make_url(database_url).database
        if not database_url.startswith("sqlite") or not name:
            raise InternalError(
                "Set database.vault_key: this database has no folder where a key could be kept."
            )
        return cls(_key_from(Path(f"{name}.key")))

    def seal(self, secret: str, purpose: str) -> str:
        """Encrypts; the same secret gives another token each time."""
        nonce = os.urandom(_NONCE_BYTES)
        sealed = nonce + self._cipher.encrypt(nonce, secret.encode(), purpose.encode())
        return _VERSION + base64.urlsafe_b64encode(sealed).decode()

    def unseal(self, token: str, purpose: str) -> str:
        """Decrypts.

        Raises:
            InternalError: another key or purpose made this token, or it was damaged.
        """
        try:
            sealed = base64.urlsafe_b64decode(token.removeprefix(_VERSION))
            return self._cipher.decrypt(
                sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], purpose.encode()
            ).decode()
        except (InvalidTag, binascii.Error, ValueError):
            raise InternalError(
                f"The secret of {purpose} can't be read: the vault key is another one than when it was stored."
            ) from None


def _decoded(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text.strip().replace("+", "-").replace("/", "_"))
    except (binascii.Error, ValueError):
        raise InternalError("The vault key must be 32 bytes, written as base64.") from None


def _key_from(path: Path) -> bytes:
    """Reads the key file, or makes it; of two processes that make it at once one wins and both use its key."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
    if not path.exists():
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(base64.urlsafe_b64encode(os.urandom(_KEY_BYTES)).decode() + "\n")
        try:
            os.link(fresh, path)  # unlike a rename this never replaces a key that is there
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        _log.warning("vault key is readable by others; run chmod 600 on it", path=str(path))
    return _decoded(path.read_text(encoding="ascii"))
