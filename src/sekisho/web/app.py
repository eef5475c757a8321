"""The routes of the node's HTTP side."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from sekisho import __version__
from sekisho.services.revocations import RevocationLists
from sekisho.store.store import Store
from sekisho.web.metrics import Count, metrics
from sekisho.web.revocation import revocation_list

OURS = "/_sekisho/"


def build_app(endpoint: ASGIApp, count: Count, store: Store, revoked: RevocationLists) -> ASGIApp:
    """``/_sekisho/…`` is ours; everything else, whatever its target looks like, is a request to AWS.
    ``count`` gives the broker's counters, ``store`` has fleet metrics, ``revoked`` the revocation lists of
    the node's CAs."""
    routes = [
        Route("/_sekisho/health", _health),
        Route("/_sekisho/metrics", metrics(count, store)),
        Route("/_sekisho/crl/{name}.crl", revocation_list(revoked)),
    ]
    router = Router(routes, redirect_slashes=False, default=endpoint)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await (router if scope["path"].startswith(OURS) else endpoint)(scope, receive, send)

    return app


async def _health(request: Request) -> JSONResponse:
    return JSONResponse({"status": "ok", "version": __version__})
