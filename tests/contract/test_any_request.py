"""Whatever is sent to an operation, its answer is one that the API document promises, and never a server error.

schemathesis makes requests from the document, right ones and wrong ones; the answers' status, content type and body are
held against it. Callers are real, but their credentials outlive what is done to them meanwhile (logging out, say).
"""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from gpubroker.composition import identity as composition
from gpubroker.identity.verify import Verifier
from gpubroker.kernel.caller import Caller, Role
from infra import openapi
from tests.contract.callers import Callers
from tests.contract.house import House
from tests.contract.simulation import reachable

EXAMPLES = 15
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]

document = openapi.document()
schema = schemathesis.openapi.from_dict(document)


class LastingVerifier(Verifier):
    """The verifier's first answer about each of these callers, for ever."""

    def __init__(self, lasting: Mapping[str, Caller]) -> None:
        super().__init__()
        self._lasting = lasting

    def caller_of(self, headers: Mapping[str, str], address: str, now: float | None = None) -> Caller:
        token = headers.get("authorization", "").removeprefix("Bearer ")
        return self._lasting.get(token) or super().caller_of(headers, address, now)


@pytest.fixture(scope="module", autouse=True)
def lasting(house: House, callers: Callers) -> Iterator[None]:
    verify = composition.verifier()
    tokens = [person.token for person in callers.values() if person.token]
    known = {token: verify.caller_of({"authorization": f"Bearer {token}"}, "203.0.113.7", None) for token in tokens}
    assert {caller.role for caller in known.values()} == {Role.USER, Role.SERVICE, Role.AGENT, Role.ADMIN}
    with pytest.MonkeyPatch.context() as patch:
        verifier = LastingVerifier(known)
        patch.setattr(composition, "verifier", lambda: verifier)
        yield


@pytest.fixture(scope="module", autouse=True)
def providers(house: House) -> Iterator[None]:
    """Providers that answer: one that does not makes 503 the right answer."""
    with reachable():
        yield


@schema.parametrize()
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_every_answer_is_a_documented_one(case: Any, house: House, callers: Callers) -> None:
    token = callers[_who(case.path)].token
    response = case.call(app=house.wsgi, headers={"Authorization": f"Bearer {token}"})
    case.validate_response(response, checks=CHECKS)


def _who(path: str) -> str:
    if path.startswith("/internal/") or path.endswith("/deduct"):
        return "service"
    if (
        path.startswith(("/api/v2/admin", "/api/v1/billing", "/api/v1/accounts/transfers", "/api/management"))
        or "service-accounts" in path
    ):
        return "admin"
    if path.endswith(("/credit", "/credit-limit", "/freeze", "/unfreeze", "/close", "/decision")):
        return "admin"
    return "enterprise"
