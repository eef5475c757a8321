"""The line: batch after batch, a bounded number of devices at a time, nothing lost and nothing doubled."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from sekisho.cli.factory.handover import Device, Seal
from sekisho.cli.factory.journal import Journal, sync_folder

ATTEMPTS = 6
"""How often one device is tried while the node does not answer or is too busy: for about ten seconds."""
DRAFT = ".draft"
BUSY = {"ThrottlingException", "ServiceUnavailableException", "InternalFailureException", "LimitExceeded"}


Asked = TypeVar("Asked")
Answer = TypeVar("Answer")


class Refused(Exception):
    """This device cannot be done; the words say why. The others go on."""


class Stopped(Exception):
    """The run cannot go on; what is done is in the journal."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A device before the node knows of it. ``key_hash`` is the SHA-256 of its public key (DER, SPKI)."""

    name: str
    key_hash: str
    pem: str
    private_key: bytes | None = field(default=None, repr=False)


class Job(Protocol):
    """What is done to each device; the methods are called from several threads."""

    def prepare(self, name: str) -> Prepared:
        """Everything that needs no node; raises `Refused`."""

    def settle(self, prepared: Prepared, earlier: Set[str], lose: Callable[[str], None]) -> Device:
        """Have the node know the device; raises `Refused` and botocore's errors.

        ``earlier``: the hashes of the keys with which it was asked before, whose answer nobody has seen.
        It may have been asked with this key, too: a request whose answer is lost is made again.
        ``lose`` is told the id of a certificate before it is removed.
        """

    def clean(self, certificate_id: str) -> None:
        """Remove a certificate, if it is there, whatever of that has been done; raises botocore's errors."""


class Place(NamedTuple):
    """Where hand-overs go, and what stands in each: host:port and the PEM of the CA."""

    folder: Path
    endpoint: str
    ca: str


class Pace(NamedTuple):
    """Requests at once, devices a batch, and whether a hand-over file is for a batch instead of a device."""

    workers: int
    batch: int
    together: bool


@dataclass(slots=True)
class Line:
    """One run; ``told`` hears of each batch how many devices are done and how many failed.

    Without a ``seal`` there is nothing to hand over.
    """

    job: Job
    journal: Journal
    place: Place
    seal: Seal | None
    pace: Pace
    told: Callable[[int, int], None]

    def run(self, names: Iterable[str]) -> None:
        """Do every device that is not done; raises `Stopped`."""
        self.journal.failed.clear()  # what failed before is tried again, or is not there any more
        for draft in self.place.folder.glob(f".*{DRAFT}"):
            draft.unlink()
        waiting = (name for name in names if name not in self.journal.done)
        for certificate in sorted(self.journal.lost):
            self._tried(partial(self.job.clean, certificate))
        pool = ThreadPoolExecutor(self.pace.workers, thread_name_prefix="factory")
        try:
            for batch in batches(waiting, self.pace.batch):
                self._batch(pool, batch)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _batch(self, pool: ThreadPoolExecutor, names: Sequence[str]) -> None:
        failed: dict[str, str] = {}
        prepared = _sorted_out(names, pool.map(_caught(self._prepare), names), failed)
        earlier = {name: frozenset(self.journal.begun.get(name, ())) for name in prepared}
        if prepared:
            self.journal.begin({one.name: one.key_hash for one in prepared.values()})
        settled = pool.map(_caught(lambda one: self._settle(one, earlier[one.name])), prepared.values())
        devices = _sorted_out(list(prepared), settled, failed)
        self._hand_over(list(devices.values()))
        self.journal.finish({name: device.certificate_id for name, device in devices.items()}, failed)
        self.told(len(devices), len(failed))

    def _prepare(self, name: str) -> Prepared:
        lacking = None if self.seal is None else self.seal.lacks(name)
        if lacking:
            raise Refused(lacking)
        return self.job.prepare(name)

    def _settle(self, prepared: Prepared, earlier: Set[str]) -> Device:
        return self._tried(lambda: self.job.settle(prepared, earlier, self.journal.lose))

    def _tried(self, work: Callable[[], Answer]) -> Answer:
        """Do it, again and again while the node does not answer; raises `Refused` and `Stopped`."""
        for attempt in itertools.count(1):
            try:
                return work()
            except ClientError as error:
                if not _busy(error):
                    raise Refused(words_of(error)) from None
                problem: Exception = error
            except BotoCoreError as error:
                problem = error
            if attempt == ATTEMPTS:
                raise Stopped(f"the node does not answer: {problem}")
            time.sleep(0.3 * 2 ** (attempt - 1))
        raise AssertionError("unreachable")

    def _hand_over(self, devices: Sequence[Device]) -> None:
        if not devices or self.seal is None:
            return
        place = self.place
        if self.pace.together:
            number = self.journal.batches + 1
            content = self.seal.close(devices, place.endpoint, place.ca)
            _write(place.folder / f"batch-{number:05}{self.seal.suffix}", content)
        else:
            for device in devices:
                content = self.seal.close([device], place.endpoint, place.ca)
                _write(place.folder / f"{device.name}{self.seal.suffix}", content)
        sync_folder(place.folder)


def batches(names: Iterable[str], size: int) -> Iterator[list[str]]:
    names = iter(names)
    while batch := list(itertools.islice(names, size)):
        yield batch


def _caught(work: Callable[[Asked], Answer]) -> Callable[[Asked], Answer | Refused]:
    def caught(asked: Asked) -> Answer | Refused:
        try:
            return work(asked)
        except Refused as error:
            return error

    return caught


def _sorted_out(
    names: Sequence[str], answers: Iterable[Answer | Refused], failed: dict[str, str]
) -> dict[str, Answer]:
    good: dict[str, Answer] = {}
    for name, answer in zip(names, answers, strict=True):
        if isinstance(answer, Refused):
            failed[name] = str(answer)
        else:
            good[name] = answer
    return good


def _busy(error: ClientError) -> bool:
    answer: dict[str, Any] = error.response
    status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    # 501 is a plain no: the node does not have the operation.
    return answer["Error"]["Code"] in BUSY or (status >= 500 and status != 501)


def words_of(error: ClientError) -> str:
    """An error of the API in one line."""
    found = error.response["Error"]
    return f"{found.get('Code')}: {found.get('Message')}"


def _write(path: Path, content: bytes) -> None:
    """Write a file whole or not at all. What is written is encrypted, or no secret."""
    draft = path.with_name(f".{path.name}{DRAFT}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
