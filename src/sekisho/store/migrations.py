"""The database's schema: numbered scripts, each applied once, in order, in one transaction."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from sekisho.store.statement import NewerDatabase, StoreError

CREATE_META = "CREATE TABLE IF NOT EXISTS meta (name TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL)"
READ_VERSION = "SELECT value FROM meta WHERE name = 'schema'"
WRITE_VERSION = (
    "INSERT INTO meta (name, value) VALUES ('schema', '{version}')"
    " ON CONFLICT (name) DO UPDATE SET value = excluded.value"
)

SQLITE: Mapping[str, str] = {
    # AUTOINCREMENT: a number is not given again after its row was trimmed.
    "serial_key": "INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT",
    "json": "TEXT",
    "blob": "BLOB",
    # A table that is its primary key's index holds each of many small rows once.
    "clustered": " WITHOUT ROWID",
}
POSTGRES: Mapping[str, str] = {
    "serial_key": "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
    # JSON, not JSONB: it gives back the very text that was put in, as SQLite does.
    "json": "JSON",
    "blob": "BYTEA",
    "clustered": "",
}


class Script(NamedTuple):
    number: int
    name: str
    text: str


@cache
def scripts() -> tuple[Script, ...]:
    """The program's own scripts, ``0001_name.sql`` onwards without a gap."""
    found = []
    for entry in (files("sekisho.store") / "migrations").iterdir():
        match = re.fullmatch(r"(\d{4})_\w+\.sql", entry.name)
        if match:
            found.append(Script(int(match[1]), entry.name, entry.read_text("utf-8")))
    found.sort()
    if [script.number for script in found] != list(range(1, len(found) + 1)):
        raise StoreError("the migration scripts are not numbered without a gap; the installation is broken")
    return tuple(found)


def latest() -> int:
    """The schema version this program knows."""
    return len(scripts())


def plan(version: str | None, tokens: Mapping[str, str]) -> list[str]:
    """The SQL that brings a database from ``version`` (None: empty) to :func:`latest`; [] when it is there.

    The caller runs it in the transaction that read the version, alone among all nodes.

    :raises NewerDatabase: the database is ahead of the program
    """
    if version is not None and not re.fullmatch(r"[0-9]{1,9}", version):
        raise StoreError("the database's schema version is not a number; this is not a Sekisho database")
    have = int(version) if version is not None else 0
    if have > latest():
        raise NewerDatabase(
            f"the database has schema version {have}, this program knows {latest()}; use a newer program"
        )
    if have == latest():
        return []
    todo = [sql for script in scripts()[have:] for sql in render(script.text, tokens)]
    return [*todo, WRITE_VERSION.format(version=latest())]


def render(text: str, tokens: Mapping[str, str]) -> list[str]:
    """A script's statements for one engine. Scripts have no semicolon but at a statement's end."""
    bare = re.sub(r"--[^\n]*", "", text)
    statements = (part.strip() for part in bare.split(";"))
    return [re.sub(r"\{(\w+)\}", lambda match: tokens[match[1]], part) for part in statements if part]
