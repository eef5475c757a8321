"""A stack as infrastructure tools build it: parts that are made, read, made again, changed and torn down.

A step is an operation (``iot`` unless it says another service before a dot) and its input; ``${part.key}`` in
an input is what the answer to the creation of a part had there.
"""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

Step = tuple[str, dict[str, Any]]

PATIENCE = 300.0
"""Seconds until all that is in the way of a deletion must be gone."""

RETRIED = re.compile(r"Conflict|InvalidRequest|CertificateState|ResourceInUse|Validation")
"""What tools try again during a deletion."""

GONE = ("ResourceNotFoundException", "NoSuchEntity")
"""What to them is a deletion that has been done, perhaps with what the part belonged to."""

STAYING = {"eventconfigurations", "v2loggingoptions", "indexingconfiguration", "clock"}
"""Kinds of what there is one of: it can be turned off, and stays."""


class Refused(Exception):
    """An operation was answered with an error; ``code`` is its name."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Part(NamedTuple):
    """``again`` is the error of a second creation, '' when that answers as the first did, None when each
    makes another; ``shows`` and ``changed`` are what reads must show at least."""

    name: str
    create: Step
    again: str | None
    read: Step
    shows: dict[str, Any]
    change: Sequence[Step] = ()
    changed: dict[str, Any] | None = None
    delete: Sequence[Step] = ()
    held: str = ""
    """What the last step of the deletion is answered while the rest of the stack is there."""


class Stack:
    """``call`` carries out one operation of a service and gives its answer, or raises `Refused`."""

    def __init__(self, call: Callable[[str, str, dict[str, Any]], dict[str, Any]]) -> None:
        self._call = call
        self.made: dict[str, dict[str, Any]] = {}

    def ask(self, step: Step) -> dict[str, Any]:
        service, _, operation = step[0].rpartition(".")
        answer = self._call(service or "iot", operation, self.filled(step[1]))
        return {name: value for name, value in answer.items() if name != "ResponseMetadata"}

    def filled(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self.filled(one) for key, one in value.items()}
        if isinstance(value, list):
            return [self.filled(one) for one in value]
        reference = re.fullmatch(r"\$\{([^.]+)\.(.+)\}", value) if isinstance(value, str) else None
        if reference is None:
            return value
        found: Any = self.made[reference[1]]
        for key in reference[2].split("."):
            found = found[key]
        return found

    def build(self, part: Part) -> None:
        self.made[part.name] = self.ask(part.create)
        self.shows(part, part.shows)

    def again(self, part: Part) -> None:
        """The same is applied a second time."""
        if part.again is None:
            return
        try:
            answer = self.ask(part.create)
        except Refused as refused:
            assert refused.code == part.again, part.name
        else:
            assert part.again == "", part.name
            assert answer == self.made[part.name], part.name
        self.shows(part, part.shows)

    def change(self, part: Part) -> None:
        for step in part.change:
            self.ask(step)
        self.shows(part, part.changed or part.shows)

    def holds(self, part: Part) -> None:
        """What others need, or what is not yet as it must be, cannot be deleted."""
        if part.held:
            try:
                self.ask(part.delete[-1])
            except Refused as refused:
                assert refused.code == part.held, part.name
            else:
                raise AssertionError(f"{part.name} was deleted")

    def tear_down(self, parts: Sequence[Part], threads: int) -> None:
        """Several at once, each again as long as something else is in its way."""
        self._until = time.monotonic() + PATIENCE
        waiting = deque((part, list(part.delete)) for part in parts)
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(lambda _: self._delete(waiting), range(threads)))

    def _delete(self, waiting: deque[tuple[Part, list[Step]]]) -> None:
        while True:
            try:
                part, steps = waiting.popleft()
            except IndexError:
                return  # what others have in hand they take further themselves
            while steps:
                try:
                    self.ask(steps[0])
                except Refused as refused:
                    if refused.code not in GONE:
                        if not RETRIED.search(refused.code) or time.monotonic() > self._until:
                            raise AssertionError(f"{part.name}: {steps[0][0]}: {refused.code}") from refused
                        time.sleep(0.05)
                        waiting.append((part, steps))
                        break
                del steps[0]

    def shows(self, part: Part, expected: dict[str, Any]) -> None:
        found = self.ask(part.read)
        missing = differences(self.filled(expected), found)
        assert not missing, f"{part.name}: {missing}"

    def is_gone(self, part: Part) -> bool:
        try:
            found = self.ask(part.read)
        except Refused as refused:
            return refused.code in GONE
        return bool(differences(self.filled(part.changed or part.shows), found))


def differences(expected: Any, found: Any, path: str = "") -> list[str]:
    """Where what was found has not all that is expected; lists must be as long."""
    if isinstance(expected, dict) and isinstance(found, dict):
        return [d for k, v in expected.items() for d in differences(v, found.get(k), f"{path}.{k}")]
    if isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        return [d for n, v in enumerate(expected) for d in differences(v, found[n], f"{path}[{n}]")]
    return [] if expected == found else [f"{path} is {found!r}, not {expected!r}"]
