"""How a patch takes hold: by replacing a named function of the engine, never its source text."""

from collections.abc import Callable
from types import ModuleType
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])


class PatchMisfitError(RuntimeError):
    """The engine has no such name: the patch was written for another version of it."""


def original(module: ModuleType | type, name: str) -> Any:
    """The engine's own `name`, or PatchMisfitError."""
    try:
        return getattr(module, name)
    except AttributeError:
        raise PatchMisfitError(f"{module.__name__} has no {name!r}") from None


def replaces(*modules: ModuleType | type, name: str | None = None) -> Callable[[Function], Function]:
    """Put the decorated function in the place of the engine's function of that name, in every given module."""

    def put(function: Function) -> Function:
        for module in modules:
            original(module, name or function.__name__)
            setattr(module, name or function.__name__, function)
        return function

    return put


def replaces_handler(resource_type: str, *operations: str) -> Callable[[Function], Function]:
    """Put the decorated function in the place of CloudFormation's handler for that operation on that resource type."""
    from ministack.services.cloudformation.provisioners import _RESOURCE_HANDLERS

    def put(function: Function) -> Function:
        for operation in operations:
            if operation not in _RESOURCE_HANDLERS.get(resource_type, {}):
                raise PatchMisfitError(f"CloudFormation has no {operation!r} of {resource_type}")
            _RESOURCE_HANDLERS[resource_type][operation] = function
        return function

    return put
