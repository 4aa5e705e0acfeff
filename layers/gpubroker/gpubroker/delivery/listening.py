"""Who may listen to what: a channel as a client names it, to the channel as the house spells it."""

from gpubroker.delivery import channels
from gpubroker.delivery.channels import Channel, NoSuchChannel
from gpubroker.delivery.ports import Agents, Catalogue, Rentals
from gpubroker.kernel.caller import Caller
from gpubroker.kernel.errors import Forbidden, Unauthenticated


class Listening:
    def __init__(self, *, catalogue: Catalogue, rentals: Rentals, agents: Agents) -> None:
        self._catalogue, self._rentals, self._agents = catalogue, rentals, agents

    def allowed(self, caller: Caller, text: str) -> str:
        """The name of the channel that a caller asks for. Raises NoSuchChannel, for another tenant's too;
        Unauthenticated for a private one without credentials, Forbidden without the scope for it."""
        channel = channels.parse(text)
        if channel.public:
            return self._public(channel)
        if caller.anonymous:
            raise Unauthenticated(f"Connect with a token to listen to {channel.kind}.")
        missing = NoSuchChannel(f"There is no channel {channel.name} of yours.")
        match channel.kind:
            case "rental":
                if not caller.may("rentals:read"):
                    raise Forbidden("This needs the scope rentals:read.")
                if self._rentals.look(caller.tenant, channel.value) is None:
                    raise missing
            case "agent":
                if caller.subject != channel.value and not self._agents.owned(caller.tenant, channel.value):
                    raise missing
        return channel.name

    def _public(self, channel: Channel) -> str:
        known: str | None
        match channel.kind:
            case "provider":
                known = self._catalogue.provider(channel.value)
            case "gpu":
                known = self._catalogue.gpu(channel.value)
            case "region":
                known = self._catalogue.region(channel.value)
            case _:
                return channel.name
        if known is None:
            raise NoSuchChannel(f"There is no {channel.kind} {channel.value[:40]!r}.")
        return Channel(channel.kind, known).name
