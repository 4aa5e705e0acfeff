"""For all tests: moto's transactions at a bearable cost, and loggers that no earlier test has silenced."""

import logging
import os
import sys
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True, scope="session")
def _lean_transactions() -> Iterator[None]:
    if "moto" not in sys.modules:  # nothing here speaks to it
        yield
        return
    from tests.moto_transactions import lean

    with lean():
        yield


@pytest.fixture(autouse=True)
def _speaking_loggers() -> None:
    """A logger is made once a process, with the level that was asked for in the test that made it."""
    for name in ("gpubroker.messaging.log", "gpubroker.edge.log"):
        module = sys.modules.get(name)
        if module is not None and module.logger.cache_info().currsize:
            module.logger().setLevel(os.environ.get("POWERTOOLS_LOG_LEVEL", logging.INFO))
