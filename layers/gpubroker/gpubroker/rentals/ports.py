"""What rentals need of others. Offers and providers are another context's: `composition/rentals.py` joins the two.

The classes of provider errors carry the names that the state machines' Retry and Catch name.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import TYPE_CHECKING, Any, Literal, Protocol

from gpubroker.kernel.caller import Caller
from gpubroker.kernel.errors import Conflict
from gpubroker.kernel.money import MicroUsd
from gpubroker.rentals.rental import Account, AgreedOffer

if TYPE_CHECKING:
    from gpubroker.storage.transaction import Writes

InstanceStatus = Literal["pending", "running", "failed", "ended"]


@dataclass(frozen=True, slots=True)
class OfferTerms:
    """An offer as it stands now.

    price_micros        micro-USD per hour for the whole instance, with `disk_included_gb` of disk; 0 where not `priced`
    priced              whether its provider tells a price; one that does not is never rentable
    disk_micros_per_gb  micro-USD per hour for each GB of disk beyond that; None where disk is not billed by its size
    integration         the renter's own integration at the provider, where there is one: the provider bills them then
    disk_part_micros    how much of the price is for disk that an order asked for beyond what is included
    """

    offer_id: str
    provider: str
    gpu_model: str
    gpu_count: int
    region: str | None
    spot: bool
    price_micros: MicroUsd
    rentable: bool
    priced: bool = True
    available: bool = True
    fetched_at: datetime | None = None
    disk_micros_per_gb: Decimal | None = None
    disk_included_gb: int = 0
    disk_part_micros: MicroUsd = 0
    integration: str | None = None

    def with_disk(self, disk_gb: int | None) -> "OfferTerms":
        """These terms for an order of that much disk (None: what is included), rounded half to even once.

        Less than is included costs the same. Terms that are for an order already are returned as they are.
        """
        if self.disk_micros_per_gb is None:
            return self
        more = max(0, (disk_gb or 0) - self.disk_included_gb)
        part = int((self.disk_micros_per_gb * more).to_integral_value(rounding=ROUND_HALF_EVEN))
        return replace(self, price_micros=self.price_micros + part, disk_part_micros=part, disk_micros_per_gb=None)

    def agreed(self) -> AgreedOffer:
        return AgreedOffer(self.offer_id, self.provider, self.gpu_model, self.gpu_count, self.spot, self.region)


class OfferSource(Protocol):
    def offer(self, offer_id: str) -> OfferTerms | None:
        """The offer by one read of the store; None when nobody offers it any more."""

    def offer_for(self, tenant: str, offer_id: str) -> OfferTerms | None:
        """The same for one renter, with their own integration at the provider; by one read for both."""

    def similar(self, offer: AgreedOffer, limit: int) -> Sequence[OfferTerms]:
        """Rentable offers of the same GPU model and count, the nearest first; never the offer itself.

        `offer` may have left the market: what is rented is often offered no more.
        """


@dataclass(frozen=True, slots=True)
class Order:
    """What to create. The label makes it one instance, however often it is sent."""

    label: str
    offer_id: str
    account: Account
    ssh_public_key: str
    image: str | None = None
    disk_gb: int | None = None
    env: dict[str, str] = field(default_factory=dict)
    start_script: str | None = None


@dataclass(frozen=True, slots=True)
class Instance:
    """An instance as its provider tells of it.

    price_micros  what the provider bills per hour, in micro-USD; None where it does not say
    bid_too_low   why it failed: its provider wants a higher bid (told by the answer to the create only)
    """

    instance_id: str
    label: str
    status: InstanceStatus
    native_status: str = ""
    ssh_host: str | None = None
    ssh_port: int | None = None
    ssh_user: str | None = None
    jupyter_url: str | None = None
    price_micros: MicroUsd | None = None
    bid_too_low: bool = False

    @property
    def alive(self) -> bool:
        """Whether it may cost money: a failed instance still exists until it is ended."""
        return self.status != "ended"


class Compute(Protocol):
    """The providers' instances, each in somebody's account. Every method may raise ProviderError."""

    def create(self, order: Order) -> Instance: ...

    def find(self, account: Account, label: str) -> Sequence[Instance]:
        """All instances with this label, ended ones included where the provider still tells of them."""

    def get(self, account: Account, instance_id: str) -> Instance | None: ...

    def end(self, account: Account, instance_id: str) -> None:
        """Ask for the end; one that is gone already is a success."""

    def list(self, account: Account) -> Sequence[Instance]: ...


class OwnAccounts(Protocol):
    """Customers' own accounts: while a rental is open on one, its key cannot be taken away."""

    def take(self, tx: "Writes", tenant: str, provider: str, rental_id: str, label: str) -> None:
        """In the transaction that makes the rental. Its loss is IntegrationGone."""

    def release(self, tx: "Writes", tenant: str, provider: str, rental_id: str) -> None:
        """In the transaction after which nothing of the rental is left."""


@dataclass(frozen=True, slots=True)
class Payer:
    """Whose money pays for a rental, and which budgets it counts against (the ledger's own, passed on as they are)."""

    account_id: str
    budgets: tuple[Any, ...] = ()


class Funds(Protocol):
    """The payers' money. All writes join the transaction that writes the rental, and fail it with the ledger's own
    problems: InsufficientFunds, BudgetExceeded (PaymentRequired), AccountFrozen, AccountClosed (Conflict)."""

    def payer_of(self, caller: Caller, account_id: str | None) -> Payer:
        """Who pays: the caller's own account, or the one that is named. Raises NotFound, Forbidden."""

    def hold(self, tx: "Writes", rental_id: str, payer: Payer, amount: MicroUsd) -> None: ...

    def adjust(self, tx: "Writes", rental_id: str, account_id: str, amount: MicroUsd) -> None:
        """Hold more or less than before. Like the two below it reads the hold; the commit fails with StaleVersion
        where somebody else was first."""

    def capture(self, tx: "Writes", rental_id: str, account_id: str, amount: MicroUsd) -> None:
        """Take what the rental cost, at most what is held; the rest is the payer's again. Once."""

    def release(self, tx: "Writes", rental_id: str, account_id: str) -> None:
        """Nothing is to be paid."""


class IntegrationGone(Conflict):
    """The renter's integration was there when the offer was read, and is not any more."""

    code = "integration-changed"
    title = "Your integration at this provider was changed at this moment"


class ProviderError(Exception):
    """A provider did not do what was asked."""


class NoCapacity(ProviderError):
    """Nothing left of this offer."""


class BadCredentials(ProviderError): ...


class QuotaExceeded(ProviderError): ...


class RateLimited(ProviderError): ...


class InstanceGone(ProviderError): ...


class ProviderUnavailable(ProviderError):
    """No answer, or one of its faults: whether the call took effect is unknown."""


class UnknownAnswer(ProviderError):
    """An answer outside the documented ones: whether the call took effect is unknown."""


class OfferGone(ProviderError):
    """The offer vanished between its reading and the order."""
