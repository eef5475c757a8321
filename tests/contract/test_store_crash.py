"""What is left when a process or a server dies, and who may open what."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

import servers
from sekisho.store import tables
from sekisho.store.migrations import latest
from sekisho.store.statement import Locked, NewerDatabase, Statement, StoreError, Unavailable
from sekisho.store.store import open_store

WRITER = """
import asyncio, sys
from sekisho.store import tables
from sekisho.store.store import open_store

async def write(store, number):
    turn = 0
    while True:
        id = f"{number}-{turn}"
        await store.commit([
            tables.insert_resource("1", "r", "thing", id, "{}", 1.0),
            tables.append_change("1", "r", "thing", id, "created", 1.0),
        ])
        print(id, flush=True)
        turn += 1

async def main():
    store = await open_store(sys.argv[1])
    await asyncio.gather(*[write(store, number) for number in range(20)])

asyncio.run(main())
"""
OPENER = """
import asyncio, sys
from sekisho.store.store import open_store

async def main():
    await open_store(sys.argv[1])

asyncio.run(main())
"""


def run(coroutine: Coroutine[Any, Any, None]) -> None:
    asyncio.run(coroutine)


def python(program: str, url: str, **options: Any) -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", program, url]
    return subprocess.Popen(command, env=environment, text=True, stdout=subprocess.PIPE, **options)


def insert(id: str) -> Statement:
    return tables.insert_resource("1", "r", "thing", id, "{}", 1.0)


def test_every_acknowledged_row_survives_kill_9(database_url: str) -> None:
    with python(WRITER, database_url) as writer:
        assert writer.stdout is not None
        acknowledged = [writer.stdout.readline().strip() for _ in range(300)]
        writer.send_signal(signal.SIGKILL)
        rest = writer.stdout.read()
        acknowledged += rest[: rest.rfind("\n") + 1].split()
    assert writer.returncode == -signal.SIGKILL
    assert "" not in acknowledged

    async def body() -> None:
        store = await open_store(database_url)
        rows = await store.fetch("SELECT id FROM resource ORDER BY id")
        changes = await store.fetch("SELECT id FROM change ORDER BY id")
        assert rows == changes
        assert set(acknowledged) <= {row["id"] for row in rows}
        await store.close()

    run(body())


def test_a_newer_database_is_refused_and_left_alone(database_url: str) -> None:
    async def body() -> None:
        store = await open_store(database_url)
        newer = Statement("UPDATE meta SET value = '99' WHERE name = 'schema'", expect=1)
        await store.commit([newer])
        await store.close()
        for _ in range(2):
            with pytest.raises(NewerDatabase, match=rf"99.*\b{latest()}\b"):
                await open_store(database_url)

    run(body())


def test_nodes_may_start_at_once_and_again(database_url: str) -> None:
    async def body() -> None:
        many = 5 if database_url.startswith("postgresql") else 1
        stores = await asyncio.gather(*[open_store(database_url) for _ in range(many)])
        await asyncio.gather(*[store.commit([insert(f"{n}")]) for n, store in enumerate(stores)])
        for store in stores:
            await store.close()
        store = await open_store(database_url)
        assert len(await store.fetch("SELECT id FROM resource")) == many
        assert await store.fetch("SELECT value FROM meta WHERE name = 'schema'") == [{"value": str(latest())}]
        await store.close()

    run(body())


@pytest.mark.parametrize("url", ["", "sqlite:", "sqlite::memory:", "mysql://u:hunter2@h/d", "/some/file.db"])
def test_a_wrong_url_is_an_error_that_does_not_quote_it(url: str) -> None:
    with pytest.raises(StoreError) as caught:
        run(open_store(url))
    assert "hunter2" not in str(caught.value)


def test_a_folder_has_one_process(sqlite_url: str) -> None:
    async def body() -> None:
        store = await open_store(sqlite_url)
        with pytest.raises(Locked, match=str(os.getpid())):
            await open_store(sqlite_url)
        other = python(OPENER, sqlite_url, stderr=subprocess.PIPE)
        _, errors = await asyncio.to_thread(other.communicate)
        assert other.returncode != 0
        assert "Locked" in errors
        assert f"the process {os.getpid()}" in errors
        await store.commit([insert("a")])
        await store.close()
        again = await open_store(sqlite_url)
        await again.close()

    run(body())


def test_only_the_owner_may_read_the_files(sqlite_url: str) -> None:
    async def body() -> None:
        store = await open_store(sqlite_url)
        await store.commit([insert("a")])
        folder = Path(sqlite_url.removeprefix("sqlite:")).parent
        assert folder.stat().st_mode & 0o777 == 0o700
        found = {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}
        names = ("sekisho.db", "sekisho.db.lock", "sekisho.db-wal", "sekisho.db-shm")
        assert found == dict.fromkeys(names, 0o600)
        await store.close()

    old = os.umask(0)
    try:
        run(body())
    finally:
        os.umask(old)


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be used"):
        run(open_store(f"sqlite:{tmp_path / 'file' / 'sekisho.db'}"))
    (tmp_path / "other.db").write_text("this is no database" * 100)
    with pytest.raises(StoreError, match="cannot be opened"):
        run(open_store(f"sqlite:{tmp_path / 'other.db'}"))


def test_a_lost_connection_is_made_again(postgres_server: servers.PostgresServer, postgres_url: str) -> None:
    database = postgres_url.rpartition("/")[2]

    def terminate(condition: str) -> int:
        found = postgres_server.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            f" WHERE datname = '{database}' AND pid <> pg_backend_pid() AND {condition}"
        )
        return found.count("t")

    async def body() -> None:
        store = await open_store(postgres_url)
        await store.commit([insert("a")])
        assert terminate("true") >= 2
        await store.commit([insert("b")])
        rows = await store.fetch("SELECT id FROM resource ORDER BY id")
        assert [row["id"] for row in rows] == ["a", "b"]

        # Lost in the middle: tried once more, and when that is lost too, given up, with nothing written.
        slow = Statement("SELECT pg_sleep(60) IS NULL AS slept")
        committing = asyncio.create_task(store.commit([insert("c"), slow]))
        for _ in range(2):
            while not await asyncio.to_thread(terminate, "state = 'active' AND query LIKE '%pg_sleep%'"):
                assert not committing.done()
        with pytest.raises(Unavailable, match="nothing"):
            await committing
        await store.commit([insert("d")])
        rows = await store.fetch("SELECT id FROM resource ORDER BY id")
        assert [row["id"] for row in rows] == ["a", "b", "d"]
        await store.close()

    run(body())


def test_committed_rows_survive_the_death_of_the_server() -> None:
    async def body(server: servers.PostgresServer) -> None:
        store = await open_store(server.url(server.create_database()))
        await asyncio.gather(*[store.commit([insert(f"{number:03}")]) for number in range(200)])
        server.stop(signal.SIGQUIT)
        with pytest.raises(Unavailable, match="nothing of this commit happened"):
            await store.commit([insert("while down")])
        with pytest.raises(Unavailable):
            await store.fetch("SELECT id FROM resource")
        server.start()
        await store.commit([insert("back")])
        rows = await store.fetch("SELECT id FROM resource ORDER BY id")
        assert [row["id"] for row in rows] == [f"{number:03}" for number in range(200)] + ["back"]
        await store.close()

    with servers.postgres() as server:
        run(body(server))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("LOCALE_PROVIDER icu ICU_LOCALE 'en-US'", "does not order text by its bytes"),
        ("ENCODING 'SQL_ASCII'", "encoding is SQL_ASCII"),
    ],
)
def test_an_unfit_database_is_refused(
    postgres_server: servers.PostgresServer, options: str, message: str
) -> None:
    name = postgres_server.create_database(options=options)
    try:
        with pytest.raises(StoreError, match=message):
            run(open_store(postgres_server.url(name)))
    finally:
        postgres_server.drop_database(name)


def test_an_absent_server_is_unavailable() -> None:
    with pytest.raises(Unavailable) as caught:
        run(open_store(f"postgresql://me:hunter2@127.0.0.1:{servers.free_port()}/nothing"))
    assert "hunter2" not in str(caught.value)


def test_a_missing_database_is_named(postgres_server: servers.PostgresServer) -> None:
    with pytest.raises(StoreError, match="nowhere"):
        run(open_store(postgres_server.url("nowhere")))
