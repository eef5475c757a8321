"""Real servers for tests: on free loopback ports, in temporary folders, stopped by their own pid."""

from __future__ import annotations

import ctypes
import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

START_SECONDS = 30
STOP_SECONDS = 30
_PR_SET_PDEATHSIG = 1


class MissingServer(Exception):
    """The machine has no such server installed. Tests that need it fail; they do not skip."""


def free_port() -> int:
    """A loopback TCP port that nothing listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class PostgresServer:
    """One PostgreSQL server with its data in ``folder``; databases are made and dropped at will."""

    def __init__(self, binaries: Path, folder: Path) -> None:
        self._binaries = binaries
        self._folder = folder
        self._numbers = itertools.count(1)
        self._process: subprocess.Popen[bytes] | None = None
        # PostgreSQL refuses to run as root.
        self._as: dict[str, Any] = {"cwd": folder}
        if os.geteuid() == 0:
            account = pwd.getpwnam("postgres")
            os.chown(folder, account.pw_uid, account.pw_gid)
            self._as |= {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        self.port = free_port()
        self._run(
            "initdb", "-D", "data", "-U", "postgres", "-A", "trust", "--locale=C", "--encoding=UTF8", "-N"
        )

    def start(self) -> None:
        """Start, and come back when it takes connections."""
        libc = ctypes.CDLL(None)

        def die_with_parent() -> None:
            libc.prctl(_PR_SET_PDEATHSIG, signal.SIGQUIT)

        settings = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": self._folder,
            "fsync": "on",
            "shared_buffers": "16MB",
            "max_connections": 60,
            "autovacuum": "off",
        }
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    self._binaries / "postgres",
                    "-D",
                    "data",
                    *itertools.chain.from_iterable(("-c", f"{k}={v}") for k, v in settings.items()),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=die_with_parent,
                **self._as,
            )
        deadline = time.monotonic() + START_SECONDS
        while self._ready() != 0:
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start: {(self._folder / 'log').read_text()[-2000:]}")
            time.sleep(0.05)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT: roll back and stop; SIGQUIT: as if the machine had died."""
        if self._process is None:
            return
        self._process.send_signal(how)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def url(self, database: str) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def create_database(self, template: str = "template0", options: str = "") -> str:
        """A fresh database, by name; ``template`` may be one made before, with nobody connected to it."""
        name = f"test_{os.getpid()}_{next(self._numbers)}"
        self.sql(f"CREATE DATABASE {name} TEMPLATE {template} {options}")
        return name

    def drop_database(self, name: str) -> None:
        """Drop it and cut off whoever still uses it."""
        self.sql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def sql(self, text: str, database: str = "postgres") -> str:
        """Run SQL as the superuser; returns bare rows, columns separated by ``|``."""
        return self._run(
            "psql",
            *("-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres", "-d", database),
            *("-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", text),
        )

    def _ready(self) -> int:
        command = [self._binaries / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(command, check=False).returncode

    def _run(self, program: str, *arguments: str) -> str:
        done = subprocess.run(
            [self._binaries / program, *arguments], capture_output=True, text=True, check=False, **self._as
        )
        if done.returncode != 0:
            raise RuntimeError(f"{program} failed: {done.stderr[-2000:]}")
        return done.stdout.strip()


def postgres_binaries() -> Path:
    """The newest installed PostgreSQL's programs, which Debian does not put on the path."""
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda program: float(program.parts[-3])
    )
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    if on_path:
        return Path(on_path).resolve().parent
    raise MissingServer("these tests need PostgreSQL: install Debian's package `postgresql`")


@contextmanager
def postgres() -> Iterator[PostgresServer]:
    """A running PostgreSQL server of one's own, durable (fsync on), collation C, gone afterwards."""
    binaries = postgres_binaries()
    # Not pytest's folder: the socket's path must be short, and the server's account must reach it.
    folder = Path(tempfile.mkdtemp(prefix="sekisho-pg-", dir="/tmp"))
    try:
        server = PostgresServer(binaries, folder)
        try:
            server.start()
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
