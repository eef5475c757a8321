"""The routes of the node's HTTP side."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route

from sekisho import __version__
from sekisho.web.endpoint import AwsEndpoint


def build_app(endpoint: AwsEndpoint) -> Starlette:
    """``/_sekisho/…`` is ours; everything else is a request to AWS."""
    return Starlette(
        routes=[Route("/_sekisho/health", _health), Mount("/", app=endpoint)],
    )


async def _health(request: Request) -> JSONResponse:
    return JSONResponse({"status": "ok", "version": __version__})
