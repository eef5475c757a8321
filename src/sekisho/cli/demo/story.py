"""The demo from its first line to its exit code."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from rich.console import Console

from sekisho.cli.demo.backend import ERRORS, Backend
from sekisho.cli.demo.device import Device
from sekisho.cli.demo.folder import NotOurs, fresh_folder
from sekisho.cli.demo.link import Place
from sekisho.cli.demo.node import DemoNode
from sekisho.cli.demo.observer import Observer
from sekisho.cli.demo.signals import INTERRUPTED, ending_on_signals
from sekisho.cli.demo.steps import Progress
from sekisho.cli.demo.summary import Outcome, print_summary
from sekisho.cli.demo.view import View
from sekisho.cli.demo.waiting import DidNotHappen, Patience
from sekisho.cli.words import explain_refusal

AT_ONCE = 16
"""Devices that provision themselves at the same time."""

FORGED = "forged"


def run_demo(devices: int, data: Path, *, prepared: Callable[[Backend], None] = lambda backend: None) -> int:
    """Run the demo with so many devices on a node in ``data``; 0 when every step happened for every one.

    ``prepared`` is called when the fleet's template and policies exist and no device has started yet.
    Main thread only: it handles signals. After Ctrl-C the exit code is 130.
    """
    console = Console(highlight=False)
    errors = Console(stderr=True, highlight=False)
    patience = Patience()
    progress = Progress(devices)
    outcome = Outcome(data, progress)
    with ending_on_signals(patience):
        try:
            fresh_folder(data)
        except NotOurs as error:
            errors.print(f"sekisho: {error}", markup=False, soft_wrap=True)
            return 1
        with View(console, progress) as view:
            try:
                view.stage(f"starting a node in {data}")
                with DemoNode(data, patience) as node:
                    outcome.endpoints = node.endpoints
                    story = Story(data, node.endpoints, outcome, patience, view)
                    try:
                        story.tell(prepared)
                    finally:
                        if node.died:
                            outcome.troubles.append(f"the node's last words:\n{node.last_words()}")
            except (DidNotHappen, *ERRORS) as error:
                outcome.troubles.insert(0, patience.ended or str(error))
        if patience.ended == INTERRUPTED:
            errors.print("sekisho: interrupted; the node has been stopped")
            return 130
    print_summary(console, outcome)
    return 0 if outcome.complete else 1


class Story:
    """What the devices and their owner do, one node long."""

    def __init__(
        self, data: Path, endpoints: dict[str, Any], outcome: Outcome, patience: Patience, view: View
    ) -> None:
        host, _, port = endpoints["mqtt"].rpartition(":")
        self._place = Place(host, int(port), endpoints["ca"])
        self._backend = Backend(data, endpoints)
        self._outcome = outcome
        self._progress = outcome.progress
        self._patience = patience
        self._view = view
        self._observer: Observer

    def tell(self, prepared: Callable[[Backend], None]) -> None:
        """:raises DidNotHappen: the observer could not connect; a failing device is only recorded"""
        self._view.stage("claim certificate, policies and template through boto3")
        claim, identity = self._backend.prepare()
        prepared(self._backend)
        self._observer = Observer(self._place, identity, self._progress, self._patience)
        with ExitStack() as cleanup:
            cleanup.callback(self._observer.close)
            fleet = [
                Device(f"{number:04d}", self._place, claim, self._progress, self._patience)
                for number in range(1, self._progress.devices + 1)
            ]
            for device in fleet:
                cleanup.callback(device.close)
            self._view.stage(f"{len(fleet)} devices start with nothing but the claim certificate")
            with ThreadPoolExecutor(min(AT_ONCE, len(fleet)), "device") as pool:
                worked = list(pool.map(self._life, fleet))
            self._patience.check()
            able = [device for device, fine in zip(fleet, worked, strict=True) if fine]
            if len(able) >= 2:
                self._view.stage(f"{able[0].name} publishes on a topic of {able[1].name}")
                self._try(able[0], lambda: self._forbid(able[0], able[1]))
                self._view.stage(f"the certificate of {able[-1].name} is set INACTIVE")
                self._try(able[-1], lambda: self._deactivate(able[-1]))
            self._view.stage("the devices disconnect, and the node stops")

    def _life(self, device: Device) -> bool:
        """A device's own steps, in a thread of its own; whether all of them happened."""
        return self._try(device, lambda: self._live(device))

    def _try(self, device: Device, what: Callable[[], None]) -> bool:
        try:
            self._patience.check()
            what()
        except (DidNotHappen, *ERRORS) as error:
            self._progress.failed(device.at, device.name, str(error))
            return False
        return True

    def _live(self, device: Device) -> None:
        wait = self._patience.wait
        device.provision()
        device.go_to_work()
        with device.step("telemetry"):
            device.report("21.5")
            wait(self._observer.arrival(f"{device.topics}/telemetry", "21.5"), f"telemetry of {device.name}")
        with device.step("command"):
            arrival = device.expect_command("identify")
            self._backend.command(f"{device.topics}/commands", "identify")
            wait(arrival, f"a command for {device.name}")

    def _forbid(self, intruder: Device, victim: Device) -> None:
        """Cut off, not delivered, and explained; all three or it did not happen."""
        topic = f"{victim.topics}/telemetry"
        intruder.at = "forbidden"
        started = time.perf_counter()
        intruder.forge(topic, FORGED)
        seconds = intruder.wait_cut(f"{intruder.name} being cut off") - started
        # What the owner of the topic says next arrives, and would arrive after the forgery.
        victim.report("21.6")
        self._patience.wait(self._observer.arrival(topic, "21.6"), f"telemetry of {victim.name}")
        if self._observer.arrival(topic, FORGED).done():
            raise DidNotHappen(f"the forged message was delivered on {topic}")
        for refusal in self._backend.refusals(intruder.name):
            if refusal["action"] == "iot:Publish" and refusal["resource"].endswith(f":topic/{topic}"):
                self._outcome.explanation = explain_refusal(refusal)
                self._outcome.intruder = intruder.name
                self._progress.reached("forbidden", seconds)
                return
        raise DidNotHappen(f"the node has no explanation of why {intruder.name} was cut off")

    def _deactivate(self, device: Device) -> None:
        """Dropped while connected, and refused when it comes back."""
        device.at = "inactive"
        started = time.perf_counter()
        self._backend.deactivate(device.certificate_id)
        seconds = device.wait_cut(f"{device.name} being dropped") - started
        before = len(self._inactive_refusals(device))
        if device.come_back():
            raise DidNotHappen(f"{device.name} could connect again with an INACTIVE certificate")
        refusals = self._inactive_refusals(device)
        if len(refusals) <= before:
            raise DidNotHappen(f"{device.name} could not come back, but not because it is INACTIVE")
        self._outcome.dropped = f"{device.name} was dropped; when it came back: {refusals[0]['reason']}"
        self._progress.reached("inactive", seconds)

    def _inactive_refusals(self, device: Device) -> list[dict[str, Any]]:
        return [found for found in self._backend.refusals(device.name) if "INACTIVE" in found["reason"]]
