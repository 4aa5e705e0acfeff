"""What a second delivery of a request is answered with."""

from typing import Any

from gpubroker.kernel.errors import Problem
from gpubroker.kernel.idempotency import Idempotency
from gpubroker.storage import idempotency as stored
from gpubroker.storage.table import Item


def replayed(model: type[Item], idempotency: Idempotency | None, problem: Problem) -> dict[str, Any]:
    """The stored answer, where this very request took effect before; else the problem that it met now is raised."""
    if idempotency is None:
        raise problem
    try:
        return stored.replay(model, idempotency)
    except stored.KeyReused:
        raise
    except Problem:
        raise problem from None  # the key was never used: what it met now is the answer
