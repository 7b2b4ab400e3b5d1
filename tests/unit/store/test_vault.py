"""Secrets at rest."""

import base64
import stat
from pathlib import Path

import pytest

from trunkline.core.errors import InternalError
from trunkline.store.vault import Vault

KEY = base64.b64encode(bytes(range(32))).decode()


def test_what_was_sealed_opens_again_and_looks_like_nothing(tmp_path: Path) -> None:
    """The token holds no trace of the secret and differs each time."""
    vault = Vault.open("sqlite:///x", KEY)

    one, two = vault.seal("pässword", "trunk:1"), vault.seal("pässword", "trunk:1")

    assert vault.unseal(one, "trunk:1") == "pässword" == Vault.open("sqlite:///x", KEY).unseal(two, "trunk:1")
    assert one != two
    assert b"ssword" not in base64.urlsafe_b64decode(one[3:])


@pytest.mark.parametrize(
    "damage", [lambda t: t[:-6] + "AAAA==", lambda t: "v1:x", lambda t: "", lambda t: "v1:é"]
)
def test_a_damaged_token_is_told_in_words(damage) -> None:
    """Never a stack of cryptography, never the token itself."""
    vault = Vault.open("sqlite:///x", KEY)
    token = damage(vault.seal("secret", "trunk:1"))

    with pytest.raises(InternalError, match=r"trunk:1 can't be read") as raised:
        vault.unseal(token, "trunk:1")
    assert token not in str(raised.value) or not token


def test_a_token_opens_only_for_its_purpose_and_key() -> None:
    """A row copied over another one, or another service's database, gives nothing away."""
    vault = Vault.open("sqlite:///x", KEY)
    token = vault.seal("secret", "trunk:1")

    with pytest.raises(InternalError):
        vault.unseal(token, "trunk:2")
    with pytest.raises(InternalError):
        Vault(bytes(32)).unseal(token, "trunk:1")


def test_the_key_file_is_made_once_beside_the_database_for_its_owner_alone(tmp_path: Path) -> None:
    """A restart uses the same key."""
    url = f"sqlite:///{tmp_path}/new/t.sqlite3"
    token = Vault.open(url).seal("secret", "p")

    assert Vault.open(url).unseal(token, "p") == "secret"
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["t.sqlite3.key"]
    assert stat.S_IMODE((tmp_path / "new" / "t.sqlite3.key").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("url", "key"), [("sqlite:///x", "short"), ("sqlite:///x", "é"), ("postgresql://h/d", None)]
)
def test_a_key_that_can_not_work_is_told_in_words(url: str, key: str | None) -> None:
    """The operator learns what to set."""
    with pytest.raises(InternalError, match="vault"):
        Vault.open(url, key)
