"""What one check found. Pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

Verdict = Literal["ok", "warning", "problem"]


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one check.

    Attributes:
        check: what was looked at, a few words.
        verdict: `problem` where calls will fail, `warning` where they will suffer.
        found: what is there.
        advice: what to do; empty only with `ok`.
    """

    check: str
    verdict: Verdict
    found: str
    advice: str = ""

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)


def ok(check: str, found: str) -> Finding:
    """All is well."""
    return Finding(check, "ok", found)


def warning(check: str, found: str, advice: str) -> Finding:
    """Calls work, though worse than they could."""
    return Finding(check, "warning", found, advice)


def problem(check: str, found: str, advice: str) -> Finding:
    """Calls will fail."""
    return Finding(check, "problem", found, advice)


def why(error: BaseException) -> str:
    """An error's own words; its kind where it has none."""
    return str(error) or type(error).__name__
