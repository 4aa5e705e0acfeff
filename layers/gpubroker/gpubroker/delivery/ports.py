"""What delivery needs of others; `composition/live.py` (and for pages of offers the edge) joins them."""

from collections.abc import Mapping
from typing import Any, Protocol

from gpubroker.kernel.caller import Caller


class Catalogue(Protocol):
    """Names as the market spells them; None for one that is not known."""

    def provider(self, name: str) -> str | None: ...

    def gpu(self, name: str) -> str | None: ...

    def region(self, name: str) -> str | None: ...


class Rentals(Protocol):
    def look(self, tenant: str, rental_id: str) -> Mapping[str, Any] | None:
        """`{status, health, utilization, members: [{member_id, status, health, utilization}]}`, as things are now;
        None when the tenant has no such rental. Utilisation is null where the provider does not tell it."""


class Agents(Protocol):
    def owned(self, tenant: str, agent_id: str) -> bool:
        """Whether this agent acts for the tenant."""


class Offers(Protocol):
    """The market as pages. Both may raise a Problem."""

    def providers(self) -> Mapping[str, Any]: ...

    def offers(self, caller: Caller, filters: Mapping[str, Any]) -> Mapping[str, Any]: ...
