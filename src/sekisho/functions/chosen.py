"""The functions that the settings ask for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sekisho.functions.callables import PythonFunctions
from sekisho.functions.endpoint import EndpointFunctions
from sekisho.functions.interface import FunctionError, unknown
from sekisho.logic.function_names import parse_function


class ChosenFunctions:
    """Those that the settings name; every other one is asked for at the endpoint, if there is one."""

    def __init__(self, here: PythonFunctions, elsewhere: EndpointFunctions | None) -> None:
        self._here = here
        self._elsewhere = elsewhere

    async def invoke(self, function: str, event: dict[str, Any]) -> dict[str, Any]:
        try:
            name = parse_function(function).name
        except ValueError as error:
            raise FunctionError(str(error)) from None
        if name in self._here:
            return await self._here.invoke(function, event)
        if self._elsewhere is None:
            raise unknown(name)
        return await self._elsewhere.invoke(function, event)

    async def close(self) -> None:
        await self._here.close()


def choose(settings: Mapping[str, Any], callables: Mapping[str, str], region: str) -> ChosenFunctions:
    """``settings`` are those under ``functions.``, ``callables`` those of them that name one."""
    bounds = (settings["concurrency"], settings["waiting"])
    here = PythonFunctions(callables, _paths(settings["path"]), *bounds, settings["memory"])
    elsewhere = None
    if settings["endpoint"]:
        keys = (settings["access_key"], settings["secret_key"])
        elsewhere = EndpointFunctions(settings["endpoint"], region, *keys, *bounds)
    return ChosenFunctions(here, elsewhere)


def _paths(text: str) -> Sequence[str]:
    return [path for path in text.split(":") if path]
