"""The main job, end to end: factory-fresh devices get credentials of their own and talk."""

from __future__ import annotations

from sekisho.cli.demo.story import run_demo

__all__ = ["run_demo"]
