"""Linode (Akamai) instances: plain VMs.

POST and GET /v4/linode/instances (pages of 500), GET and DELETE /v4/linode/instances/{id}: from linode/linodego, sure.
A create takes the caller's key itself (`authorized_keys`) and wants a root password, which is made here, told to nobody
and never kept. Labels are unique in an account: a second create with one is refused.
What a refusal says is free text: the phrases below are a careful guess. An instance shows no price.
"""

import secrets
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from gpubroker.offers import errors
from gpubroker.offers.instances.exchange import Answer, Exchange, boot_script, check, encoded
from gpubroker.offers.instances.port import Instance, InstanceOrder, InstanceStatus
from gpubroker.offers.instances.rest import RestInstances, refused_by_words
from gpubroker.offers.providers.linode import ORIGIN, SLUG

__all__ = ["ORIGIN", "SLUG", "LinodeInstances", "headers"]

IMAGE = "linode/ubuntu22.04"

_STATUS = {
    "running": InstanceStatus.RUNNING,
    "offline": InstanceStatus.FAILED,
    "stopped": InstanceStatus.FAILED,
    "billing_suspension": InstanceStatus.FAILED,
    "deleting": InstanceStatus.ENDED,
}
_NO_CAPACITY = ("unavailable", "not available", "capacity", "sold out")
_QUOTA = ("limit", "quota", "payment", "billing")


def headers(key: Any) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


class LinodeInstances(RestInstances):
    """See `port.InstanceApi`. `password` makes a root password nobody will know."""

    slug = SLUG
    path = "/v4/linode/instances"

    def __init__(self, exchange: Exchange, password: Callable[[], str] = lambda: secrets.token_urlsafe(48)) -> None:
        super().__init__(exchange)
        self._password = password

    def create(self, order: InstanceOrder) -> Instance:
        check(order)
        body: dict[str, Any] = {
            "label": order.label,
            "region": order.offer.launch["region"],
            "type": order.offer.launch["type"],
            "image": IMAGE,
            "root_pass": self._password(),
            "authorized_keys": [order.ssh_public_key.strip()],
            "booted": True,
        }
        if script := boot_script(order):
            body["metadata"] = {"user_data": encoded(script)}
        return self._made(body)

    def _rows(self) -> Iterable[Any]:
        def following(told: Any, read: int) -> dict[str, str] | None:
            page = told.get("page", 1)
            return {"page": str(page + 1)} if page < told.get("pages", 1) else None

        return self._pages(self.path, "data", following, page_size="500")

    def _row(self, told: Any) -> Any:
        return told

    def _instance(self, row: Mapping[str, Any]) -> Instance:
        native = str(row.get("status") or "provisioning")
        status = _STATUS.get(native, InstanceStatus.PENDING)
        address = next((one for one in row.get("ipv4") or () if not one.startswith(("192.168.", "10."))), None)
        if status is InstanceStatus.RUNNING and address is None:
            status = InstanceStatus.PENDING
        return Instance(
            instance_id=str(row["id"]),
            label=row.get("label"),
            status=status,
            native_status=native,
            ssh_host=address,
            ssh_port=22 if address else None,
            ssh_user="root",
        )

    def _refused(self, answer: Answer) -> errors.ProviderError:
        return refused_by_words(answer, no_capacity=_NO_CAPACITY, quota=_QUOTA)
