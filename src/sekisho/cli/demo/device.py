"""One device: from nothing but the shared claim certificate to telemetry and commands as itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeVar

from awscrt import mqtt
from awsiot import iotidentity

from sekisho.cli.demo.keys import DeviceKey
from sekisho.cli.demo.link import Link, Place
from sekisho.cli.demo.steps import Progress, StepName
from sekisho.cli.demo.waiting import DidNotHappen, Patience

T = TypeVar("T")

QOS = mqtt.QoS.AT_LEAST_ONCE
UNREADABLE = "the answer is not one that the SDK can read"


class Claim(NamedTuple):
    """What every device leaves the factory with: the same certificate, and which template to ask for."""

    certificate_pem: str
    key_pem: bytes
    template: str


class Device:
    """A simulated device; its methods are the steps, each to be called once and in this order.

    :raises DidNotHappen: from every step
    """

    def __init__(
        self, serial: str, place: Place, claim: Claim, progress: Progress, patience: Patience
    ) -> None:
        self.serial = serial
        self.name = serial
        """Its serial number, until it has been told its thing's name."""
        self.certificate_id = ""
        self.topics = ""
        self.at: StepName = "claim"
        """The step that it is taking."""
        self.link: Link | None = None
        self._place = place
        self._claim = claim
        self._progress = progress
        self._patience = patience
        self._key: DeviceKey
        self._certificate_pem = ""
        self._commands: dict[str, Future[float]] = {}

    @contextmanager
    def step(self, name: StepName) -> Iterator[None]:
        """Time what is done within; it counts as reached unless that fails."""
        self.at = name
        started = time.perf_counter()
        yield
        self._progress.reached(name, time.perf_counter() - started)

    def provision(self) -> None:
        """The claim certificate's only use: to get a certificate and a thing of one's own."""
        link = Link(
            self._place,
            f"new-{self.serial}",
            self._claim.certificate_pem,
            self._claim.key_pem,
            self._patience,
        )
        with self.step("claim"):
            link.connect()
        self._progress.connection(1)
        try:
            with self.step("key"):
                self._key = DeviceKey(self.serial)
            with self.step("certificate"):
                token = self._get_certificate(link)
            with self.step("registered"):
                self._register(link, token)
        finally:
            self._progress.connection(-1)
            link.close()

    def _get_certificate(self, link: Link) -> str:
        """The ownership token of the certificate."""
        client = iotidentity.IotIdentityClient(link.mqtt)
        subscription = iotidentity.CreateCertificateFromCsrSubscriptionRequest()
        answer = self._ask(
            lambda callback: client.subscribe_to_create_certificate_from_csr_accepted(
                subscription, QOS, callback
            ),
            lambda callback: client.subscribe_to_create_certificate_from_csr_rejected(
                subscription, QOS, callback
            ),
            lambda: client.publish_create_certificate_from_csr(
                iotidentity.CreateCertificateFromCsrRequest(certificate_signing_request=self._key.csr), QOS
            ),
            "a certificate for the CSR",
        )
        self.certificate_id = answer.certificate_id
        self._certificate_pem = answer.certificate_pem
        self._key.got(self._certificate_pem)
        return str(answer.certificate_ownership_token)

    def _register(self, link: Link, token: str) -> None:
        client = iotidentity.IotIdentityClient(link.mqtt)
        template = self._claim.template
        subscription = iotidentity.RegisterThingSubscriptionRequest(template_name=template)
        answer = self._ask(
            lambda callback: client.subscribe_to_register_thing_accepted(subscription, QOS, callback),
            lambda callback: client.subscribe_to_register_thing_rejected(subscription, QOS, callback),
            lambda: client.publish_register_thing(
                iotidentity.RegisterThingRequest(
                    template_name=template,
                    certificate_ownership_token=token,
                    parameters={"SerialNumber": self.serial},
                ),
                QOS,
            ),
            f"registering through the template {template}",
        )
        self.name = answer.thing_name
        self.topics = answer.device_configuration["topics"]

    def _ask(
        self,
        accepted: Callable[[Callable[[Any], None]], tuple[Future[Any], str]],
        rejected: Callable[[Callable[[Any], None]], tuple[Future[Any], str]],
        publish: Callable[[], Future[Any]],
        what: str,
    ) -> Any:
        """Subscribe to both answers, ask, and wait for either."""
        answer: Future[Any] = Future()

        def refused(error: Any) -> None:
            words = f"{error.status_code} {error.error_code}: {error.error_message}" if error else UNREADABLE
            answer.set_exception(DidNotHappen(f"{what}: {words}"))

        for subscribe, callback in ((accepted, answer.set_result), (rejected, refused)):
            subscribed, topic = subscribe(callback)
            self._patience.wait(subscribed, f"subscribing to {topic}")
        self._patience.wait(publish(), what)
        found = self._patience.wait(answer, what)
        if found is None:
            raise DidNotHappen(f"{what}: {UNREADABLE}")
        return found

    def go_to_work(self) -> None:
        """Connect with its own certificate, and be ready for commands."""
        with self.step("itself"):
            self.link = self._connect()
            self._progress.connection(1)
            self.link.subscribe(f"{self.topics}/commands", self._commanded)

    def _connect(self) -> Link:
        link = Link(self._place, self.name, self._certificate_pem, self._key.pem, self._patience)
        link.connect()
        return link

    def report(self, reading: str) -> None:
        self._online().publish(f"{self.topics}/telemetry", {"from": self.name, "reading": reading})

    def expect_command(self, command: str) -> Future[float]:
        """Done, with the time (``perf_counter``), when the command of that id arrives."""
        return self._commands.setdefault(command, Future())

    def _commanded(self, topic: str, body: dict[str, Any]) -> None:
        self._progress.count("commands")
        expected = self._commands.get(body["command"])
        if expected is not None and not expected.done():
            expected.set_result(time.perf_counter())

    def forge(self, topic: str, reading: str) -> None:
        """Publish on a topic that is not its own, without waiting for what comes of it."""
        self._online().send(topic, {"from": self.name, "reading": reading})

    def wait_cut(self, what: str) -> float:
        """Until the node closes the connection; when that was (``perf_counter``)."""
        self._online().wait_cut(what)
        at = time.perf_counter()
        self.close()
        return at

    def come_back(self) -> bool:
        """Try to connect as itself again; whether that was possible."""
        try:
            link = self._connect()
        except DidNotHappen:
            if self._patience.ended:
                raise
            return False
        link.close()
        return True

    def close(self) -> None:
        if self.link is not None:
            self.link.close()
            self.link = None
            self._progress.connection(-1)

    def _online(self) -> Link:
        if self.link is None:
            raise DidNotHappen(f"{self.name} is not connected")
        return self.link
