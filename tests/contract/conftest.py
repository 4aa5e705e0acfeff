"""The house in one process, with a market, and a caller of each kind; fresh for each module of tests."""

from collections.abc import Iterator

import pytest

from gpubroker.edge import rate_limits
from gpubroker.edge.rate_limits import Limiter
from gpubroker.edge.shared_window import Policy
from gpubroker.kernel.caller import Plan
from tests.contract.callers import Callers, everyone
from tests.contract.house import House, house_on_moto
from tests.contract.market import fill_market


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    with house_on_moto() as house, pytest.MonkeyPatch.context() as patch:
        # Limits have tests of their own; here a hundred requests a second must not be refused.
        generous = Limiter(lambda: None, policies={plan: Policy(1_000_000) for plan in Plan})
        patch.setattr(rate_limits, "limiter", lambda: generous)
        fill_market()
        yield house


@pytest.fixture(scope="module")
def callers(house: House) -> Callers:
    return everyone(house)
