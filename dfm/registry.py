"""The files of a package folder are the names of what it holds."""

import importlib
import pkgutil
from pathlib import Path
from types import ModuleType


def names(package: ModuleType) -> list[str]:
    """List the public modules of `package`, sorted; a package with an empty `__init__.py` is but a folder."""
    found = (module for module in pkgutil.iter_modules(package.__path__) if module.name[0] != "_")
    return sorted(module.name for module in found if not _is_folder(module))


def get(package: ModuleType, name: str) -> ModuleType:
    """Import the module `name` of `package`.

    Raises:
        ValueError: no file of that name is in the folder.
    """
    if name not in names(package):
        kind = package.__name__.rpartition(".")[2]
        raise ValueError(f"{name!r} is not in {kind}; choose one of {', '.join(names(package))}")
    return importlib.import_module(f"{package.__name__}.{name}")


def _is_folder(module: pkgutil.ModuleInfo) -> bool:
    place = Path(getattr(module.module_finder, "path", ""))
    return module.ispkg and (place / module.name / "__init__.py").stat().st_size == 0
