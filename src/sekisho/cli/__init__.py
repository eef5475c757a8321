"""Commands."""

from __future__ import annotations

from typing import Any

from sekisho.openssl import send_no_tickets


def whole() -> Any:
    """The program with all its commands."""
    from sekisho.cli import advise, authority, papers, policies  # noqa: F401 - their commands become the app's
    from sekisho.cli.commands import app
    from sekisho.cli.factory import commands, manifest  # noqa: F401

    return app


def main() -> None:
    send_no_tickets()
    whole()()
