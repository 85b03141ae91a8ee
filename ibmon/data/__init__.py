"""Data sets by name: where they lie, fetched and verified, images as numpy arrays, and texts.

The names are resolved when they are first used, as those of ``ibmon``: listing data sets imports neither numpy nor pooch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .archives import members
    from .catalogue import DataSet, File
    from .images import Images, cifar10, digits, fashion_mnist, mnist
    from .store import Availability, available, cache_folder, fetch, files
    from .texts import Texts, imdb, sst, words

_HOME = {
    "Availability": "store",
    "DataSet": "catalogue",
    "File": "catalogue",
    "Images": "images",
    "Texts": "texts",
    "available": "store",
    "cache_folder": "store",
    "cifar10": "images",
    "digits": "images",
    "fashion_mnist": "images",
    "fetch": "store",
    "files": "store",
    "imdb": "texts",
    "members": "archives",
    "mnist": "images",
    "sst": "texts",
    "words": "texts",
}

__all__ = [
    "Availability",
    "DataSet",
    "File",
    "Images",
    "Texts",
    "available",
    "cache_folder",
    "cifar10",
    "digits",
    "fashion_mnist",
    "fetch",
    "files",
    "imdb",
    "members",
    "mnist",
    "sst",
    "words",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_HOME[name]}", __name__), name)
    globals()[name] = value
    return value
