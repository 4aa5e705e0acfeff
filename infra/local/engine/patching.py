"""How a patch takes hold: by replacing a named function of the engine, never its source text."""

from collections.abc import Callable
from types import ModuleType
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])


class PatchMisfit(RuntimeError):
    """The engine has no such name: the patch was written for another version of it."""


def original(module: ModuleType | type, name: str) -> Any:
    """The engine's own `name`, or PatchMisfit."""
    try:
        return getattr(module, name)
    except AttributeError:
        raise PatchMisfit(f"{module.__name__} has no {name!r}") from None


def replaces(*modules: ModuleType | type, name: str | None = None) -> Callable[[Function], Function]:
    """Put the decorated function in the place of the engine's function of that name, in every given module."""

    def put(function: Function) -> Function:
        for module in modules:
            original(module, name or function.__name__)
            setattr(module, name or function.__name__, function)
        return function

    return put
