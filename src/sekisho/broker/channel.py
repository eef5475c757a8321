"""What a client writes to: a TLS connection itself, or the frames of a WebSocket in one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any


class Channel(ABC):
    __slots__ = ("high_water",)

    def __init__(self, high_water: int) -> None:
        self.high_water = high_water
        """Bytes waiting to be written from which the protocol is asked to pause."""

    @abstractmethod
    def limit_writes(self, high_water: int) -> None:
        """Have the protocol asked to pause from so many bytes on."""

    @abstractmethod
    def write(self, data: bytes) -> None:
        """Write at the end of the turn."""

    @abstractmethod
    def offer(self, data: bytes) -> bool:
        """Write, unless more than ``high_water`` waits already; False then, or when nothing is taken."""

    @abstractmethod
    def get_write_buffer_size(self) -> int: ...

    @abstractmethod
    def pause_reading(self) -> None: ...

    @abstractmethod
    def resume_reading(self) -> None: ...

    @abstractmethod
    def is_reading(self) -> bool: ...

    @abstractmethod
    def is_closing(self) -> bool: ...

    @abstractmethod
    def get_extra_info(self, name: str, default: Any = None) -> Any: ...

    @abstractmethod
    def close(self) -> None:
        """Close after what waits has been written."""

    @abstractmethod
    def abort(self) -> None: ...
