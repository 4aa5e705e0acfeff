"""Shadeform instances: VMs of some twenty clouds.

POST /v1/instances/create, GET /v1/instances, GET /v1/instances/{id}/info, POST /v1/instances/{id}/delete,
GET /v1/sshkeys and POST /v1/sshkeys/add: from the official OpenAPI document and guides, sure. What a refused create
says is not documented: the phrases below are a careful guess, everything else is UnknownAnswer.
Some clouds let an instance be deleted only once it is active: the refusal is ProviderUnavailable, to be tried again.
"""

from collections.abc import Mapping
from typing import Any

from gpubroker.kernel.ids import stable_id
from gpubroker.offers import errors
from gpubroker.offers.instances.exchange import (
    Answer,
    Exchange,
    boot_script,
    check,
    encoded,
    micros_of,
    reading,
    same_key,
)
from gpubroker.offers.instances.port import Instance, InstanceOrder, InstanceStatus
from gpubroker.offers.providers.shadeform import ORIGIN, SLUG, header

__all__ = ["ORIGIN", "SLUG", "ShadeformInstances", "headers"]

_STATUS = {
    "creating": InstanceStatus.PENDING,
    "pending_provider": InstanceStatus.PENDING,
    "pending": InstanceStatus.PENDING,
    "active": InstanceStatus.RUNNING,
    "error": InstanceStatus.FAILED,
    "deleting": InstanceStatus.ENDED,
    "deleted": InstanceStatus.ENDED,
}
_NO_CAPACITY = ("out of stock", "out_of_stock", "no capacity", "not available", "unavailable", "sold out")
_QUOTA = ("balance", "insufficient funds", "quota", "limit exceeded")


def headers(key: Any) -> dict[str, str]:
    return header(key)


class ShadeformInstances:
    """See `port.InstanceApi`."""

    def __init__(self, exchange: Exchange) -> None:
        self._http = exchange

    def create(self, order: InstanceOrder) -> Instance:
        check(order)
        launch = order.offer.launch
        body: dict[str, Any] = {
            "cloud": launch["cloud"],
            "region": launch["region"],
            "shade_instance_type": launch["shade_instance_type"],
            "shade_cloud": True,
            "name": order.label,
            "ssh_key_id": self._key_id(order.ssh_public_key),
        }
        if launch.get("os"):
            body["os"] = launch["os"]
        if script := boot_script(order):
            body["launch_configuration"] = {
                "type": "script",
                "script_configuration": {"base64_script": encoded(script)},
            }
        answer = self._http.send("POST", "/v1/instances/create", body=body)
        if not answer.ok:
            raise _refused(answer)
        told = answer.json()
        if not isinstance(told, Mapping) or not told.get("id"):
            raise errors.UnknownAnswer(SLUG, "a create that names no instance")
        return Instance(
            instance_id=str(told["id"]), label=order.label, status=InstanceStatus.PENDING, native_status="creating"
        )

    def find(self, label: str) -> list[Instance]:
        return [instance for instance in self.list() if instance.label == label]

    def get(self, instance_id: str) -> Instance | None:
        if not _possible(instance_id):
            return None
        answer = self._http.send("GET", f"/v1/instances/{instance_id}/info")
        if answer.status == 404:
            return None
        if not answer.ok:
            raise _refused(answer)
        return _instance(answer.json())

    def end(self, instance_id: str) -> None:
        if not _possible(instance_id):
            return
        answer = self._http.send("POST", f"/v1/instances/{instance_id}/delete")
        if answer.status == 404 or answer.ok:
            return
        if answer.status == 409:
            raise errors.ProviderUnavailable(SLUG, "it cannot be deleted yet")
        raise answer.refusal()

    def list(self) -> list[Instance]:
        told = self._http.read("GET", "/v1/instances")
        rows = told.get("instances") if isinstance(told, Mapping) else None
        if not isinstance(rows, list):
            raise errors.UnknownAnswer(SLUG, "no list of instances")
        found = [_instance(row) for row in rows]
        return [instance for instance in found if instance.status is not InstanceStatus.ENDED]

    @reading(SLUG)
    def _key_id(self, public_key: str) -> str:
        """The id under which the account knows this key, added now if it did not."""
        told = self._http.read("GET", "/v1/sshkeys")
        rows = told.get("ssh_keys") if isinstance(told, Mapping) else None
        for row in rows or ():
            if same_key(row.get("public_key", ""), public_key):
                return str(row["id"])
        name = f"gpubroker-{stable_id(*public_key.split()[:2])}"
        added = self._http.read("POST", "/v1/sshkeys/add", body={"name": name, "public_key": public_key.strip()})
        if not isinstance(added, Mapping) or not added.get("id"):
            raise errors.UnknownAnswer(SLUG, "a key without an id")
        return str(added["id"])


def _possible(instance_id: str) -> bool:
    """Whether it can be an id here; anything else never becomes part of a path."""
    return instance_id.isascii() and instance_id.replace("-", "").isalnum()


def _refused(answer: Answer) -> errors.ProviderError:
    words = answer.words()
    if answer.status not in (401, 403, 429) and answer.status < 500:
        if any(phrase in words for phrase in _NO_CAPACITY):
            return errors.NoCapacity(SLUG, "out of stock")
        if answer.status == 402 or any(phrase in words for phrase in _QUOTA):
            return errors.QuotaExceeded(SLUG, "the account's balance or limit does not allow it")
    return answer.refusal()


@reading(SLUG)
def _instance(row: Any) -> Instance:
    if not isinstance(row, Mapping) or not row.get("id"):
        raise errors.UnknownAnswer(SLUG, "an instance without an id")
    native = str(row.get("status") or "creating")
    status = _STATUS.get(native, InstanceStatus.PENDING)
    address, port = row.get("ip") or None, row.get("ssh_port") or None
    if status is InstanceStatus.RUNNING and address is None:
        status = InstanceStatus.PENDING
    return Instance(
        instance_id=str(row["id"]),
        label=row.get("name"),
        status=status,
        native_status=native,
        ssh_host=str(address) if address else None,
        ssh_port=int(port) if port and address else None,
        ssh_user=row.get("ssh_user") or "shadeform",
        price_micros_per_hour=micros_of(SLUG, row.get("hourly_price"), cents=True),
    )
