"""Node.js's clients: all live in one process, ``javascript/clients.mjs``, which says how they are told."""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import queue
import subprocess
import threading
from pathlib import Path
from typing import Any

from interop.clients.base import Client, Message
from interop.packets import Will
from interop.wire import PATIENCE

FOLDER = Path(__file__).parents[1] / "javascript"


class JavaScriptError(Exception):
    """What the library threw, with its stack."""


class Process:
    """The Node.js process."""

    def __init__(self) -> None:
        packages = FOLDER / "node_modules"
        assert packages.exists(), f"{packages} is missing: run `sh scripts/javascript-packages.sh`"
        self._process = subprocess.Popen(
            ["node", "clients.mjs"], cwd=FOLDER, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._numbers = itertools.count(1)
        self._answers: dict[int, queue.Queue[dict[str, Any]]] = {}
        self._inboxes: dict[int, queue.Queue[Message]] = {}
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    def inbox(self, client: int, inbox: queue.Queue[Message]) -> None:
        self._inboxes[client] = inbox

    def ask(self, verb: str, client: int, **more: Any) -> Any:
        """What the client's verb returns; JavaScriptError if it throws."""
        number = next(self._numbers)
        answer = self._answers[number] = queue.Queue()
        assert self._process.stdin is not None
        print(
            json.dumps({"n": number, "do": verb, "client": client} | more),
            file=self._process.stdin,
            flush=True,
        )
        try:
            found = answer.get(timeout=PATIENCE)
        finally:
            del self._answers[number]
        if "error" in found:
            raise JavaScriptError(found["error"])
        return found["ok"]

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            told = json.loads(line)
            if "message" not in told:
                if told["n"] in self._answers:
                    self._answers[told["n"]].put(told)
                continue
            message = told["message"] | {"payload": base64.b64decode(told["message"]["payload"])}
            self._inboxes[told["client"]].put(Message(**message))
        for answer in list(self._answers.values()):
            answer.put({"error": "the process has ended"})

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(PATIENCE)
        finally:
            self._process.kill()
            self._process.wait()
        self._reader.join(PATIENCE)
        self._process.stdout.close()


class JavaScript(Client):
    library: str
    websocket = False
    processes: list[Process] = []  # noqa: RUF012 - all of them share it
    """The one that runs is the last; those before it have ended, as when the SDK asserts."""

    numbers = itertools.count(1)

    @classmethod
    def process(cls) -> Process:
        """The process, started when it is first needed. Who uses it calls ``close_all`` at the end."""
        if not cls.processes or cls.processes[-1].ended:
            cls.processes.append(Process())
        return cls.processes[-1]

    @classmethod
    def close_all(cls) -> None:
        while cls.processes:
            cls.processes.pop().close()

    def open(self, clean: bool, will: Will | None) -> None:
        access_key, secret_key = self.door.keys
        last = will and {
            "topic": will.topic,
            "payload": will.payload.decode(),
            "qos": will.qos,
            "retain": will.retain,
        }
        self.number = next(self.numbers)
        self.mine = self.process()
        self.mine.inbox(self.number, self.inbox)
        self.session_present = self.ask(
            "open",
            library=self.library,
            websocket=self.websocket,
            version=self.version,
            host=self.door.host,
            port=self.door.port,
            ca=self.door.ca,
            certificate=self.door.certificate,
            key=self.door.key,
            region=self.door.region,
            accessKey=access_key,
            secretKey=secret_key,
            signedPath=self.door.signed_path,
            clientId=self.client_id,
            clean=clean,
            will=last,
        )

    def ask(self, verb: str, **more: Any) -> Any:
        return self.mine.ask(verb, self.number, **more)

    def subscribe(self, filter: str, qos: int) -> int:
        return self.ask("subscribe", filter=filter, qos=qos)

    def publish(self, topic: str, payload: bytes, qos: int = 1, *, retain: bool = False) -> None:
        encoded = base64.b64encode(payload).decode()
        self.ask("publish", topic=topic, payload=encoded, qos=qos, retain=retain)

    def disconnect(self) -> None:
        self.ask("disconnect")


class Three(JavaScript):
    library = "sdk3"


class ThreeWebSocket(Three):
    websocket = True


class ThreeBrowser(ThreeWebSocket):
    library = "browser3"
    withdraws_will = False  # aws-crt 1.33 just closes the WebSocket


class Five(JavaScript):
    library = "sdk5"


class FiveWebSocket(Five):
    websocket = True


class FiveBrowser(FiveWebSocket):
    library = "browser5"


class MqttJs(JavaScript):
    library = "mqttJs"


class MqttJsWebSocket(MqttJs):
    websocket = True
