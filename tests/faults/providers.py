"""A provider's instances, faithful where it matters here: labels are no keys, ends take a while, answers get lost."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from gpubroker.rentals.ports import BadCredentials, Instance, NoCapacity, OfferTerms, Order
from gpubroker.rentals.rental import Account, AgreedOffer


@dataclass
class Machine:
    instance_id: str
    label: str
    account: Account
    offer_id: str
    made_at: datetime
    price_micros: int
    broken: bool = False
    end_asked_at: datetime | None = None

    @property
    def provider(self) -> str:
        return self.account.provider


class Providers:
    """rentals.ports.Compute and OfferSource over offers and instances of the test's making.

    boot       from a create to running
    ending     from the asking for an end until the provider tells of it no more
    own        integrations of customers, by (tenant, provider)
    refused    accounts whose key is not accepted
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self.offers: dict[str, OfferTerms] = {}
        self.capacity: dict[str, int] = {}
        self.machines: list[Machine] = []
        self.boot = timedelta(seconds=7)
        self.ending = timedelta(seconds=5)
        self.breaks = False
        self.created = 0
        self.own: dict[tuple[str, str], str] = {}
        self.refused: set[Account] = set()

    def sell(self, terms: OfferTerms, *, capacity: int = 100) -> OfferTerms:
        self.offers[terms.offer_id] = terms
        self.capacity[terms.offer_id] = capacity
        return terms

    def price(self, offer_id: str, price_micros: int) -> None:
        self.offers[offer_id] = replace(self.offers[offer_id], price_micros=price_micros)

    def running(self, provider: str | None = None) -> list[Machine]:
        """What still costs money at the provider, in whosever account."""
        return [one for one in self.machines if self._there(one) and provider in (None, one.account.provider)]

    def _in(self, account: Account) -> list[Machine]:
        """What a call with the key of this account shows."""
        if account in self.refused:
            raise BadCredentials(f"{account.provider}: answered 401")
        return [one for one in self.machines if self._there(one) and one.account == account]

    def offer(self, offer_id: str) -> OfferTerms | None:
        return self.offers.get(offer_id)

    def offer_for(self, tenant: str, offer_id: str) -> OfferTerms | None:
        offer = self.offers.get(offer_id)
        return offer and replace(offer, integration=self.own.get((tenant, offer.provider)))

    def similar(self, offer: AgreedOffer, limit: int) -> list[OfferTerms]:
        others = [
            one for one in self.offers.values() if one.gpu_model == offer.gpu_model and one.offer_id != offer.offer_id
        ]
        return sorted(others, key=lambda one: one.price_micros)[:limit]

    def create(self, order: Order) -> Instance:
        self._in(order.account)
        if self.capacity.get(order.offer_id, 0) < 1:
            raise NoCapacity(order.offer_id)
        self.capacity[order.offer_id] -= 1
        self.created += 1
        machine = Machine(
            instance_id=f"i-{self.created}",
            label=order.label,
            account=order.account,
            offer_id=order.offer_id,
            made_at=self._now(),
            price_micros=self.offers[order.offer_id].price_micros,
            broken=self.breaks,
        )
        self.machines.append(machine)
        return self._told(machine)

    def find(self, account: Account, label: str) -> list[Instance]:
        return [self._told(one) for one in self._in(account) if one.label == label]

    def get(self, account: Account, instance_id: str) -> Instance | None:
        found = [one for one in self._in(account) if one.instance_id == instance_id]
        return self._told(found[0]) if found else None

    def end(self, account: Account, instance_id: str) -> None:
        for machine in self._in(account):
            if machine.instance_id == instance_id and machine.end_asked_at is None:
                machine.end_asked_at = self._now()

    def list(self, account: Account) -> list[Instance]:
        return [self._told(one) for one in self._in(account)]

    def _there(self, machine: Machine) -> bool:
        return machine.end_asked_at is None or self._now() < machine.end_asked_at + self.ending

    def _told(self, machine: Machine) -> Instance:
        up = self._now() >= machine.made_at + self.boot
        status = "failed" if machine.broken and up else "running" if up else "pending"
        return Instance(
            instance_id=machine.instance_id,
            label=machine.label,
            status=status,
            native_status=status.upper(),
            ssh_host="203.0.113.7" if up else None,
            ssh_port=2222 if up else None,
            ssh_user="root" if up else None,
            jupyter_url=None,
            price_micros=machine.price_micros,
        )
