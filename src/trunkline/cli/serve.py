"""`trunkline serve`: runs the service until a signal ends it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from typing import TYPE_CHECKING, Annotated, Any

import structlog
import typer

from trunkline.cli.options import AsJson, run
from trunkline.observe.logs import configure_logs
from trunkline.settings import Settings, load_settings

if TYPE_CHECKING:
    from trunkline.cli.first_start import FirstKey

_log = structlog.get_logger()


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on, instead of http.host.")] = None,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Port to listen on, instead of http.port; 0 picks a free one."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Runs the service.

    SIGTERM drains: no new calls, the running ones may finish for calls.shutdown_grace_s. SIGINT (Ctrl-C) stops at once; a second
    one does not even say goodbye. On its first start, with an empty database, it makes an organization and an API key and
    shows the key, this once.

    \b
    trunkline serve
    trunkline --config /etc/trunkline/trunkline.toml serve
    trunkline serve --port 0 --json
    """
    settings = _listening(load_settings(), host, port)
    configure_logs(settings.logs)
    run(_serve(settings, as_json=as_json))


def _listening(settings: Settings, host: str | None, port: int | None) -> Settings:
    changes: dict[str, Any] = {
        name: value for name, value in (("host", host), ("port", port)) if value is not None
    }
    return (
        settings.model_copy(update={"http": settings.http.model_copy(update=changes)})
        if changes
        else settings
    )


async def _serve(settings: Settings, *, as_json: bool) -> None:
    from trunkline.app import Service  # noqa: PLC0415 - the whole house; other commands start without it
    from trunkline.cli.first_start import first_start  # noqa: PLC0415

    service = Service(settings)
    signals = _Signals()
    with signals:
        await service.start()
        try:
            key = await first_start(service.store)
            _announce(service.base_url, key, as_json=as_json)
            name = await signals.first
            _log.info("stopping", signal=name)
        finally:
            await service.stop(drain=signals.drain)


class _Signals:
    """The first signal says how to stop; a second SIGINT ends the process where it stands."""

    def __init__(self) -> None:
        self.first: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    @property
    def drain(self) -> bool:
        """Whether running calls may finish."""
        return self.first.done() and self.first.result() == "SIGTERM"

    def __enter__(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._on_signal, number)

    def __exit__(self, *_: object) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().remove_signal_handler(number)

    def _on_signal(self, number: signal.Signals) -> None:
        if not self.first.done():
            self.first.set_result(signal.Signals(number).name)
        elif number == signal.SIGINT:
            os._exit(130)


def _announce(base_url: str, key: FirstKey | None, *, as_json: bool) -> None:
    if as_json:
        print(
            json.dumps(
                {
                    "base_url": base_url,
                    "organization_id": key and key.organization_id,
                    "api_key": key and key.value,
                }
            ),
            flush=True,
        )
        return
    print(f"Trunkline answers on {base_url} (documentation: {base_url}/docs)", flush=True)
    if key is not None:
        print(
            f"\nThe first start made an organization and this API key. It is not shown again:\n\n    {key.value}\n",
            flush=True,
        )
        print(f"    export TRUNKLINE_URL={base_url} TRUNKLINE_API_KEY={key.value}\n", flush=True)
