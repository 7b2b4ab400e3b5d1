"""`python -m trunkline` and the `trunkline` command."""

from __future__ import annotations


def main() -> None:
    """Runs the command line."""
    from trunkline.cli.main import main as run  # noqa: PLC0415 - `import trunkline.__main__` stays cheap

    run()


if __name__ == "__main__":
    main()
