"""A request with an Idempotency-Key: done once, and answered the same ever after."""

from collections.abc import Callable
from typing import TypeVar

from pydantic import BaseModel

from gpubroker.kernel.errors import Problem
from gpubroker.kernel.idempotency import Idempotency
from gpubroker.storage import idempotency as stored
from gpubroker.storage.table import Item

Told = TypeVar("Told", bound=BaseModel)


def once(kind: type[Told], model: type[Item], idempotency: Idempotency | None, act: Callable[[], Told]) -> Told:
    """What the act answers; where this very request took effect before, the view that was stored then.

    The act stores its answer in its own transaction. What a repetition meets on its way (the thing is there already)
    is asked about only then: the first time costs no read.
    """
    try:
        return act()
    except Problem as problem:
        if idempotency is None:
            raise
        try:
            return kind.model_validate(stored.replay(model, idempotency))
        except stored.KeyReused:
            raise
        except Problem:
            raise problem from None  # the key was never used: what it met now is the answer
