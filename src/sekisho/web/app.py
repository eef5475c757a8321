"""The routes of the node's HTTP side."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from sekisho import __version__
from sekisho.web.metrics import Count, metrics


def build_app(endpoint: ASGIApp, count: Count) -> Starlette:
    """``/_sekisho/…`` is ours; everything else is a request to AWS. ``count`` gives the broker's counters."""
    return Starlette(
        routes=[
            Route("/_sekisho/health", _health),
            Route("/_sekisho/metrics", metrics(count)),
            Mount("/", app=endpoint),
        ],
    )


async def _health(request: Request) -> JSONResponse:
    return JSONResponse({"status": "ok", "version": __version__})
