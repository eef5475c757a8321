"""Commands."""

from __future__ import annotations


def main() -> None:
    from sekisho.cli.commands import app

    app()
