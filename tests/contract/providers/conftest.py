"""The simulated providers, one server for all tests here."""

from collections.abc import Iterator

import pytest

from tests.contract.simulation import Clock, Simulation, served

__all__ = ["Clock", "Simulation"]


@pytest.fixture(scope="session")
def _simulation() -> Iterator[Simulation]:
    with served() as simulation:
        yield simulation


@pytest.fixture
def simulation(_simulation: Simulation) -> Simulation:
    """The server, as at its start."""
    _simulation.control("POST", "reset")
    return _simulation
