"""mosquitto_sub for the connection, mosquitto_pub for what it publishes."""

from __future__ import annotations

import contextlib
import queue
import subprocess
import threading
from typing import Any

from interop.clients.base import EXPIRY, Client, Door, Message
from interop.packets import Will
from interop.wire import PATIENCE

LEAVES = 5.0
"""Seconds in which one that is connected has long ended."""


class Mosquitto(Client):
    """Its connection begins with its first subscription: mosquitto_sub cannot do without one.

    If nothing is subscribed to, that is a topic on which nothing is ever published.
    """

    def __init__(self, door: Door, version: int, client_id: str, *filters: str, **more: Any) -> None:
        super().__init__(door, version, client_id, *(filters or [f"matrix/nothing/{client_id}"]), **more)

    def open(self, clean: bool, will: Will | None) -> None:
        # When it is told to end, its DISCONNECT has reason 0x04 in MQTT 5: publish the will.
        self.withdraws_will = self.version == 4
        self.sub: subprocess.Popen[str] | None = None
        self.more = ["-k", "30"]
        if not clean:
            self.more += ["-c", *(["-x", str(EXPIRY)] if self.version == 5 else [])]
        if will is not None:
            self.more += ["--will-topic", will.topic, "--will-payload", will.payload.decode()]
            self.more += ["--will-qos", str(will.qos), *(["--will-retain"] if will.retain else [])]

    def options(self, client_id: str) -> list[str]:
        found = ["-h", self.door.host, "-p", str(self.door.port), "-i", client_id]
        found += ["-V", "mqttv5" if self.version == 5 else "mqttv311", "--cafile", self.door.ca]
        return [*found, "--cert", self.door.certificate, "--key", self.door.key]

    def subscribe(self, filter: str, qos: int) -> int:
        assert self.sub is None, "one subscription only"
        self.granted: queue.Queue[int | None] = queue.Queue()
        command = ["stdbuf", "-oL", "mosquitto_sub", *self.options(self.client_id), *self.more]
        # -d tells of each packet; a message is a line that begins with a tab.
        command += ["-d", "-F", "\t%r\t%q\t%t\t%x", "-t", filter, "-q", str(qos)]
        self.sub = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.reader = threading.Thread(target=self._read, args=(self.sub,), daemon=True)
        self.reader.start()
        granted = self.granted.get(timeout=PATIENCE)
        assert granted is not None, "mosquitto_sub ended"
        return granted

    def _read(self, sub: subprocess.Popen[str]) -> None:
        assert sub.stdout is not None
        for line in sub.stdout:
            if line.startswith("\t"):
                _, retain, qos, topic, payload = line.rstrip("\n").split("\t")
                self.inbox.put(Message(topic, bytes.fromhex(payload), int(qos), retain == "1"))
            elif line.startswith("Subscribed (mid: "):
                self.granted.put(int(line.rpartition(":")[2]))
        self.granted.put(None)

    def publish(self, topic: str, payload: bytes, qos: int = 1, *, retain: bool = False) -> None:
        command = ["mosquitto_pub", *self.options(f"{self.client_id}-pub"), "-t", topic, "-q", str(qos)]
        command.append("-s" if payload else "-n")
        done = subprocess.run(command + ["-r"] * retain, input=payload, capture_output=True, timeout=PATIENCE)
        assert done.returncode == 0, done.stderr

    def disconnect(self) -> None:
        if self.sub is None:
            return
        self.sub.terminate()  # it sends DISCONNECT
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.sub.wait(LEAVES)
        self.sub.kill()  # what is about to connect again does not always hear
        self.sub.wait()
        self.reader.join(PATIENCE)
        assert self.sub.stdout is not None
        self.sub.stdout.close()
