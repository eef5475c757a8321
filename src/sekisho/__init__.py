"""Sekisho: a self-hosted AWS IoT."""

__version__ = "0.1.0"
