"""The files of a package folder are the names of what it holds."""

import importlib
import pkgutil
from types import ModuleType


def names(package: ModuleType) -> list[str]:
    """List the public modules of `package`, sorted."""
    return sorted(module.name for module in pkgutil.iter_modules(package.__path__) if module.name[0] != "_")


def get(package: ModuleType, name: str) -> ModuleType:
    """Import the module `name` of `package`.

    Raises:
        ValueError: no file of that name is in the folder.
    """
    if name not in names(package):
        kind = package.__name__.rpartition(".")[2]
        raise ValueError(f"{name!r} is not in {kind}; choose one of {', '.join(names(package))}")
    return importlib.import_module(f"{package.__name__}.{name}")
