"""What composition joins: the providers' errors keep the names that the state machines go by, offers become terms."""

from datetime import UTC, datetime
from typing import Any

import pytest

from gpubroker.composition import market
from gpubroker.composition import rentals as composition
from gpubroker.offers import errors
from gpubroker.offers.instances import accounts, guarded
from gpubroker.offers.instances.port import Instance, InstanceOrder, InstanceStatus
from gpubroker.offers.offer import Availability, Offer
from gpubroker.rentals import ports
from gpubroker.rentals.rental import Account
from infra.rules.templates import ROOT, definition, strings
from tests.unit.rentals.lives import ready

OFFER = Offer(
    offer_id="vastai-abc",
    provider="vastai",
    provider_offer_id="1",
    source="test",
    gpu_model="H100",
    gpu_count=2,
    price_micros_per_hour=2_000_000,
    price_micros_per_gpu_hour=1_000_000,
    currency="USD",
    native_price="2",
    fetched_at=datetime(2026, 5, 24, tzinfo=UTC),
    availability=Availability.AVAILABLE,
    rentable=True,
    launch={"ask": 1},
)
TOLD = Instance(
    instance_id="i-1", label=None, status=InstanceStatus.RUNNING, native_status="running", price_micros_per_hour=7
)
KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.ProviderError)]
ACCOUNT = Account("vastai")
ORDER = ports.Order("label", OFFER.offer_id, ACCOUNT, "ssh-ed25519 AAAA", env={"A": "b"})


class Account:
    """A provider that does what it is told, or fails."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.failure, self.orders = failure, list[InstanceOrder]()

    def create(self, order: InstanceOrder) -> Instance:
        self.orders.append(order)
        if self.failure:
            raise self.failure
        return TOLD

    def find(self, label: str) -> list[Instance]:
        if self.failure:
            raise self.failure
        return [TOLD]


class Lookup:
    def __init__(self, *offers: Offer) -> None:
        self.offers = {offer.offer_id: offer for offer in offers}

    def offer(self, offer_id: str) -> Offer | None:
        return self.offers.get(offer_id)

    def similar(self, offer: Offer, limit: int) -> list[Offer]:
        return [offer]

    def like(self, gpu_model: str, gpu_count: int, *, limit: int) -> list[Offer]:
        return [OFFER] if (gpu_model, gpu_count) == ("H100", 1) else []


@pytest.fixture
def wired(monkeypatch: pytest.MonkeyPatch) -> Any:
    def wire(account: Account, lookup: Lookup) -> None:
        monkeypatch.setattr(accounts, "asked", lambda slug, tenant, ask: ask(account))
        monkeypatch.setattr(market, "offer_lookup", lambda: lookup)
        # What guards the calls stands in a table, and is tested with one (tests/integration/offers).
        monkeypatch.setattr(guarded, "GuardedInstances", lambda slug, api, breakers, slots: api)
        for shared in ("_instance_breakers", "_instance_slots"):
            monkeypatch.setattr(composition, shared, lambda: None)

    return wire


def test_an_order_carries_the_offer_as_it_is_now_with_what_launching_needs(wired: Any) -> None:
    account = Account()
    wired(account, Lookup(OFFER))
    told = composition._Instances().create(ORDER)
    assert account.orders[0].offer is OFFER
    assert (told.instance_id, told.label, told.status, told.price_micros) == ("i-1", "", "running", 7)


def test_an_offer_that_vanished_is_gone(wired: Any) -> None:
    wired(Account(), Lookup())
    with pytest.raises(ports.OfferGone):
        composition._Instances().create(ORDER)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_provider_error_keeps_its_name(kind: type[errors.ProviderError], wired: Any) -> None:
    wired(Account(kind("vastai", "detail")), Lookup(OFFER))
    for ask in (lambda: composition._Instances().create(ORDER), lambda: composition._Instances().find(ACCOUNT, "x")):
        with pytest.raises(ports.ProviderError) as failed:
            ask()
        assert type(failed.value).__name__ == kind.__name__


def test_similar_offers_are_found_for_one_that_has_left_the_market(wired: Any) -> None:
    wired(Account(), Lookup())
    agreed = ready().offer
    assert [terms.offer_id for terms in composition._Offers().similar(agreed, 5)] == [OFFER.offer_id]


def test_terms_say_what_a_rental_needs_of_an_offer(wired: Any) -> None:
    wired(Account(), Lookup(OFFER))
    terms = composition._Offers().offer(OFFER.offer_id)
    assert terms is not None
    assert (terms.price_micros, terms.rentable, terms.available) == (2_000_000, True, True)
    assert composition._Offers().offer("vastai-none") is None


@pytest.mark.parametrize("machine", ["request_to_ready", "scaling", "ready_to_ended"])
def test_every_error_that_a_state_machine_names_is_one_that_can_happen(machine: str) -> None:
    import importlib

    known = {"States.ALL", "States.Timeout"}
    for module in ("ports", "rules", "scaling", "endings", "caps", "repository"):
        known |= set(vars(importlib.import_module(f"gpubroker.rentals.{module}")))
    known |= set(vars(importlib.import_module("gpubroker.ledger.problems")))

    def named(value: Any) -> set[str]:
        if isinstance(value, dict):
            own = set(value.get("ErrorEquals", ()))
            return own.union(*(named(inner) for inner in value.values()))
        return set().union(*(named(inner) for inner in value)) if isinstance(value, list) else set()

    states = definition(ROOT / "statemachines" / "rentals" / f"{machine}.asl.yaml")
    assert list(strings(states))
    assert named(states) <= known
