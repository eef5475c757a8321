"""Running a node in the foreground."""

from __future__ import annotations

import asyncio
import gc
import logging
import resource
import signal
import sys
import time
from typing import Any

import structlog
import uvloop

from sekisho.app import Node
from sekisho.broker.activation import BadActivation
from sekisho.broker.listener import PortInUse
from sekisho.config import Config
from sekisho.keyring import KeyringError
from sekisho.logic.certificates import be_quiet
from sekisho.objects.base import ObjectsError
from sekisho.store.statement import StoreError

COLLECT_EVERY = 5000
"""Objects more than there were when the collector last looked; Python's own measure is 700."""


def serve(config: Config, started: float) -> int:
    """Run until SIGINT or SIGTERM; the exit code. ``started`` is when the command began (monotonic)."""
    _configure_log(config["log.level"])
    _raise_file_limit()
    if not sys.warnoptions:
        be_quiet()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            if not runner.run(_serve(config, started)):
                print("sekisho: the node could not go on; its log says why", file=sys.stderr)
                return 1
    except (PortInUse, BadActivation, KeyringError, ObjectsError, StoreError) as error:
        print(f"sekisho: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        # A full disk, for one; a write that fails does not name its file.
        print(f"sekisho: {error.filename or config.data}: {error.strerror}", file=sys.stderr)
        return 1
    return 0


async def _serve(config: Config, started: float) -> bool:
    """Whether it ended because it was told to."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    node = Node(config)
    try:
        await node.start()
        print(_ready(node, time.monotonic() - started), flush=True)
        _settle_memory()
        asked, failed = loop.create_task(stop.wait()), loop.create_task(node.failed.wait())
        await asyncio.wait([asked, failed], return_when=asyncio.FIRST_COMPLETED)
        asked.cancel()
        failed.cancel()
        return not node.failed.is_set()
    finally:
        await node.stop()


def _settle_memory() -> None:
    """What was made until now stays for good: have the collector pass over it, and look less often at the
    rest, as every connection makes and leaves some hundred objects."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_EVERY, 10, 10)


def _ready(node: Node, seconds: float) -> str:
    at = node.endpoints
    limits = node.config.group("mqtt.limits.")
    data = node.config["data"]
    return "\n".join(
        [
            f"Sekisho is ready after {seconds:.1f} s: account {at['account']}, region {at['region']}",
            f"  MQTT over TLS   {at['mqtt']}",
            f"  HTTPS           https://{at['https']}  (MQTT too, by ALPN)",
            f"  API             http://{at['api']}  (loopback only)",
            f"  CA              {at['ca']}",
            *([EXTENDED] if node.config["mqtt.profile"] == "extended" else []),
            "  AWS's limits are enforced: "
            f"payload {limits['payload'] // 1024} KiB, topic {limits['topic_bytes']} bytes and "
            f"{limits['topic_slashes']} slashes, {limits['filters_per_subscribe']} filters per SUBSCRIBE, "
            f"{limits['subscriptions']} subscriptions per connection, "
            f"{limits['inbound_inflight']}/{limits['outbound_inflight']} QoS 1 in flight (in/out), "
            f"keep-alive {limits['keep_alive_min']}-{limits['keep_alive_max']} s, "
            f"client id {limits['client_id']} bytes",
            _rates(node.config["mqtt.enforce_limits"] == "true", limits),
            f'  Use it: eval "$(sekisho env --data {data})"',
        ]
    )


EXTENDED = (
    "  Extended profile: QoS 2, subscription identifiers, retained messages for wildcards, will delay; "
    "`sekisho explain` tells what AWS IoT would have refused"
)

RATES = {
    "publishes_per_second": "{} messages from and",
    "publishes_out_per_second": "{} to a connection,",
    "bytes_per_second": "{} bytes from it,",
    "connects_per_second": "{} CONNECT of a client id,",
    "replay_per_second": "{} stored messages to a client that came back",
}


def _rates(enforced: bool, limits: dict[str, Any]) -> str:
    if not enforced:
        return "  No limits of rate (mqtt.enforce_limits = false)"
    words = [text.format(limits[name] or "any number of") for name, text in RATES.items()]
    return f"  A second: {' '.join(words)}"


def _configure_log(level: str) -> None:
    number = getattr(logging, level.upper(), logging.WARNING)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(),
                # Never with local variables: they hold keys and tokens.
                exception_formatter=structlog.dev.plain_traceback,
            ),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def _raise_file_limit() -> None:
    """A connection is a file: take as many as the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted: Any = hard
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
