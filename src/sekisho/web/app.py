"""The routes of the node's HTTP side."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route, Router

from sekisho import __version__
from sekisho.web.endpoint import AwsEndpoint


def build_app(endpoint: AwsEndpoint) -> Router:
    """``/_sekisho/…`` is ours; everything else, whatever its target looks like, is a request to AWS."""
    return Router([Route("/_sekisho/health", _health)], redirect_slashes=False, default=endpoint)


async def _health(request: Request) -> JSONResponse:
    return JSONResponse({"status": "ok", "version": __version__})
