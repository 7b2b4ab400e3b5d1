"""`python -m bench [capacity|turn]...`: prints one JSON line for each bench; all of them when none is named."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from bench.capacity import capacity
from bench.turn import turn

BENCHES: dict[str, Callable[[], Coroutine[Any, Any, dict[str, Any]]]] = {"capacity": capacity, "turn": turn}


def main() -> None:
    """Runs the benches that were named."""
    wanted = sys.argv[1:] or list(BENCHES)
    unknown = [name for name in wanted if name not in BENCHES]
    if unknown:
        raise SystemExit(f"There is no bench {unknown[0]!r}; there are: {', '.join(BENCHES)}.")
    for name in wanted:
        print(f"bench {name} ...", file=sys.stderr, flush=True)
        print(json.dumps(asyncio.run(BENCHES[name]())), flush=True)


if __name__ == "__main__":
    main()
