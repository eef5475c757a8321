"""Commands."""

from __future__ import annotations


def main() -> None:
    from sekisho.cli import advise, authority, papers, policies  # noqa: F401 - their commands become the app's
    from sekisho.cli.commands import app
    from sekisho.cli.factory import commands, manifest  # noqa: F401

    app()
