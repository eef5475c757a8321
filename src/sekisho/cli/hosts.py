"""``sekisho hosts``: the names of all endpoints, for /etc/hosts."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from sekisho.cli.accounts import described

BEGIN, END = "# sekisho: begin", "# sekisho: end"


def host_lines(data: Path, address: str) -> list[str]:
    """A line for each account and region of the node in ``data`` (hosts(5))."""
    lines: dict[tuple[str, str], list[str]] = {}
    for account in described(data):
        for endpoint in account["endpoints"]:
            names = lines.setdefault((account["accountId"], endpoint["region"]), [])
            names.append(endpoint["address"])
    return [f"{address} {' '.join(names)}" for names in lines.values()]


def write_block(path: Path, lines: list[str]) -> None:
    """Put the lines into a file between two marks, in place of what was between them."""
    before = path.read_text() if path.exists() else ""
    _replace(path, with_block(before, lines))


def with_block(text: str, lines: list[str]) -> str:
    """The text with the lines between the marks, which come at its end if it has none."""
    block = "\n".join([BEGIN, *lines, END]) + "\n"
    head, begin, rest = text.partition(f"{BEGIN}\n")
    _, end, tail = rest.partition(f"{END}\n")
    if begin and end:
        return head + block + tail
    return text + ("" if not text or text.endswith("\n") else "\n") + block


def _replace(path: Path, text: str) -> None:
    """Whole or not at all; where a file is mounted by itself, as /etc/hosts in a container, over itself."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_text(text)
        if path.exists():
            draft.chmod(path.stat().st_mode & 0o777)
        draft.replace(path)
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        path.write_text(text)
    finally:
        draft.unlink(missing_ok=True)
