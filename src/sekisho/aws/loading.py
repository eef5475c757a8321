"""Service models, from the installed botocore and from the project's own folder."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import orjson
from botocore.exceptions import DataNotFoundError
from botocore.loaders import Loader

MODELS = Path(__file__).with_name("models")
"""The models of what botocore has none for; users can hand this folder to their own boto3."""


class UnknownService(LookupError):
    """No model has this name."""


class FastFiles:
    """The file loader of :class:`botocore.loaders.Loader`, with a quicker JSON parser."""

    def exists(self, file_path: str) -> bool:
        return any(Path(file_path + ending).is_file() for ending in (".json", ".json.gz"))

    def load_file(self, file_path: str) -> Any:
        plain = Path(file_path + ".json")
        if plain.is_file():
            return orjson.loads(plain.read_bytes())
        packed = Path(file_path + ".json.gz")
        if packed.is_file():
            return orjson.loads(gzip.decompress(packed.read_bytes()))
        return None


@lru_cache(maxsize=8)
def _loader(extra_paths: tuple[str, ...]) -> Loader:
    # ~/.aws/models is left out: what a server answers must not depend on whose home it was started from.
    paths = [*extra_paths, str(MODELS), Loader.BUILTIN_DATA_PATH]
    return Loader(extra_search_paths=paths, file_loader=FastFiles(), include_default_search_paths=False)


def load_description(name: str, extra_paths: Sequence[str] = ()) -> dict[str, Any]:
    """The newest model of a service as it stands in its file, by its name on the client (``iot-data``).

    ``extra_paths`` are searched first; each holds ``<name>/<version>/service-2.json``.
    Raises :class:`UnknownService`.
    """
    loader = _loader(tuple(extra_paths))
    try:
        version = loader.determine_latest_version(name, "service-2")
        found: dict[str, Any] = loader.load_data(f"{name}/{version}/service-2")
    except DataNotFoundError:
        raise UnknownService(f"no service model is named {name!r}") from None
    return found
