"""Real nodes for tests: a subprocess on free loopback ports, and clients for it."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import boto3
from botocore.config import Config

import answers
from sekisho.cli.commands import models_path, read_credentials

START = 20.0
"""Seconds that a node has to become ready on a busy machine; it says itself how long it took."""

PATIENCE = 30.0
"""Seconds that a client waits for a connection, and for its answer, before it takes the node for broken."""


@dataclass
class Node:
    """A node that runs, or ran: ``kill()`` is kill -9, ``start()`` begins again on the same data."""

    data: Path
    settings: tuple[str, ...] = ()
    process: subprocess.Popen | None = None
    endpoints: dict = field(default_factory=dict)

    @property
    def log(self) -> str:
        return (self.data.parent / f"{self.data.name}.log").read_text()

    def start(self) -> "Node":
        (self.data / "endpoints.json").unlink(missing_ok=True)
        command = [sys.executable, "-c", "from sekisho.cli import main; main()", "up"]
        command += ["--data", str(self.data), "--mqtt-port", "0", "--https-port", "0", "--api-port", "0"]
        # Most tests connect the same client more often than once a second, and publish as fast as they can.
        for setting in ("mqtt.enforce_limits=false", *self.settings):
            command += ["--set", setting]
        log = (self.data.parent / f"{self.data.name}.log").open("a")
        self.process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        log.close()
        until = time.monotonic() + START
        while not (self.data / "endpoints.json").exists():
            assert self.process.poll() is None, f"the node ended with {self.process.returncode}:\n{self.log}"
            assert time.monotonic() < until, f"the node was not ready after {START} s:\n{self.log}"
            time.sleep(0.02)
        self.endpoints = json.loads((self.data / "endpoints.json").read_text())
        return self

    def kill(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.kill()
                raise AssertionError(f"the node did not stop:\n{self.log}") from None
        return self.process.returncode

    @property
    def ca(self) -> str:
        return self.endpoints["ca"]

    @property
    def mqtt(self) -> tuple[str, int]:
        return self.address("mqtt")

    def address(self, name: str) -> tuple[str, int]:
        host, _, port = self.endpoints[name].rpartition(":")
        return host, int(port)

    def client(self, service: str, *, tls: bool = True, account: str | None = None, **more):
        """A boto3 client; ``more`` goes to it. One try only, so that a test sees the first answer.

        ``account`` is one that ``sekisho account create`` has made.
        """
        key, secret = read_credentials(self.data, account)
        session = boto3.Session()
        session._session.get_component("data_loader").search_paths.append(str(models_path()))
        url = f"https://{self.endpoints['https']}" if tls else f"http://{self.endpoints['api']}"
        options = {
            "region_name": self.endpoints["region"],
            "endpoint_url": url,
            "aws_access_key_id": key,
            "aws_secret_access_key": secret,
            "verify": self.ca,
            "config": Config(
                retries={"total_max_attempts": 1}, connect_timeout=PATIENCE, read_timeout=PATIENCE
            ),
        }
        client = session.client(service, **options | more)
        client.meta.events.register("after-call.*.*", answers.remember)
        return client

    def command(self, *arguments: str) -> str:
        """What a ``sekisho`` command prints for this node."""
        program = [sys.executable, "-c", "from sekisho.cli import main; main()", *arguments]
        done = subprocess.run([*program, "--data", self.data], check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def environment(self) -> dict[str, str]:
        """os.environ with what ``sekisho env`` exports."""
        command = [sys.executable, "-c", "from sekisho.cli import main; main()", "env", "--data", self.data]
        text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        script = f"{text}\nexec {sys.executable} -c 'import os, json; print(json.dumps(dict(os.environ)))'"
        shown = subprocess.run(["sh", "-c", script], check=True, capture_output=True, text=True).stdout
        return {k: v for k, v in json.loads(shown).items() if k in os.environ or k.startswith(("AWS", "SEK"))}


@contextlib.contextmanager
def running(data: Path, *settings: str):
    node = Node(data, settings)
    try:
        yield node.start()
    finally:
        node.kill()
