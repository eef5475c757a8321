"""Commands."""

from __future__ import annotations


def main() -> None:
    from sekisho.cli import advise  # noqa: F401  # they add themselves
    from sekisho.cli.commands import app
    from sekisho.cli.factory import commands, manifest  # noqa: F401

    app()
