"""Lambda Cloud instances: plain VMs.

POST /api/v1/instance-operations/launch and /terminate, GET /api/v1/instances and /instances/{id}, GET and POST
/api/v1/ssh-keys: from the official OpenAPI document 1.10.0, sure. A launch takes exactly one registered key, by name:
the caller's is looked up by its content and registered under a name made of it, so that doing it twice is one key.
Launches: one per 12 s; others: one per second. A type that is listed with capacity is often refused at the launch.
"""

from collections.abc import Mapping
from typing import Any

from gpubroker.kernel.ids import stable_id
from gpubroker.offers import errors
from gpubroker.offers.instances.exchange import Answer, Exchange, boot_script, check, micros_of, reading, same_key
from gpubroker.offers.instances.port import Instance, InstanceOrder, InstanceStatus
from gpubroker.offers.providers.lambdalabs import ORIGIN, SLUG

__all__ = ["ORIGIN", "SLUG", "LambdaInstances", "headers"]

_STATUS = {
    "booting": InstanceStatus.PENDING,
    "active": InstanceStatus.RUNNING,
    "unhealthy": InstanceStatus.FAILED,
    "terminating": InstanceStatus.ENDED,
    "terminated": InstanceStatus.ENDED,
    "preempted": InstanceStatus.ENDED,
}
_ERRORS: dict[str, type[errors.ProviderError]] = {
    "instance-operations/launch/insufficient-capacity": errors.NoCapacity,
    "global/quota-exceeded": errors.QuotaExceeded,
    "global/account-inactive": errors.BadCredentials,
    "global/invalid-api-key": errors.BadCredentials,
    "global/object-does-not-exist": errors.InstanceGone,
}


def headers(key: Any) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


class LambdaInstances:
    """See `port.InstanceApi`."""

    def __init__(self, exchange: Exchange) -> None:
        self._http = exchange

    def create(self, order: InstanceOrder) -> Instance:
        check(order)
        body: dict[str, Any] = {
            "region_name": order.offer.launch["region_name"],
            "instance_type_name": order.offer.launch["instance_type_name"],
            "ssh_key_names": [self._key_name(order.ssh_public_key)],
            "name": order.label,
        }
        if script := boot_script(order):
            body["user_data"] = script
        ids = self._data("POST", "/api/v1/instance-operations/launch", body).get("instance_ids")
        if not isinstance(ids, list) or len(ids) != 1:
            raise errors.UnknownAnswer(SLUG, "a launch that names no instance")
        return Instance(
            instance_id=str(ids[0]), label=order.label, status=InstanceStatus.PENDING, native_status="booting"
        )

    def find(self, label: str) -> list[Instance]:
        return [instance for instance in self.list() if instance.label == label]

    def get(self, instance_id: str) -> Instance | None:
        if not _possible(instance_id):
            return None
        try:
            return _instance(self._data("GET", f"/api/v1/instances/{instance_id}"))
        except errors.InstanceGone:
            return None

    def end(self, instance_id: str) -> None:
        if not _possible(instance_id):
            return
        try:
            self._data("POST", "/api/v1/instance-operations/terminate", {"instance_ids": [instance_id]})
        except errors.InstanceGone:
            return

    def list(self) -> list[Instance]:
        rows = self._data("GET", "/api/v1/instances")
        if not isinstance(rows, list):
            raise errors.UnknownAnswer(SLUG, "no list of instances")
        found = [_instance(row) for row in rows]
        return [instance for instance in found if instance.status is not InstanceStatus.ENDED]

    def _key_name(self, public_key: str) -> str:
        """The name under which the account knows this key, registered now if it did not."""
        if known := self._known_key(public_key):
            return known
        name = f"gpubroker-{stable_id(*public_key.split()[:2])}"
        try:
            self._data("POST", "/api/v1/ssh-keys", {"name": name, "public_key": public_key.strip()})
        except errors.UnknownAnswer:
            # Two rentals of one caller may register it at once; the loser is told that the name is taken.
            if known := self._known_key(public_key):
                return known
            raise
        return name

    @reading(SLUG)
    def _known_key(self, public_key: str) -> str | None:
        rows = self._data("GET", "/api/v1/ssh-keys")
        return next((row["name"] for row in rows if same_key(row.get("public_key", ""), public_key)), None)

    def _data(self, method: str, path: str, body: Any = None) -> Any:
        answer = self._http.send(method, path, body=body)
        if not answer.ok:
            raise _refused(answer)
        told = answer.json()
        if not isinstance(told, Mapping) or "data" not in told:
            raise errors.UnknownAnswer(SLUG, "no data in the answer")
        return told["data"]


def _possible(instance_id: str) -> bool:
    """Whether it can be an id here; anything else never becomes part of a path."""
    return instance_id.isascii() and instance_id.replace("-", "").isalnum()


def _refused(answer: Answer) -> errors.ProviderError:
    """By the error's code; its message is never relied on."""
    try:
        code = answer.json()["error"]["code"]
    except (errors.UnknownAnswer, LookupError, TypeError):
        code = ""
    if kind := _ERRORS.get(str(code)):
        return kind(SLUG, str(code))
    return answer.refusal()


@reading(SLUG)
def _instance(row: Any) -> Instance:
    if not isinstance(row, Mapping) or not row.get("id"):
        raise errors.UnknownAnswer(SLUG, "an instance without an id")
    native = str(row.get("status") or "booting")
    status = _STATUS.get(native, InstanceStatus.PENDING)
    address = row.get("ip") or None
    if status is InstanceStatus.RUNNING and address is None:
        status = InstanceStatus.PENDING
    return Instance(
        instance_id=str(row["id"]),
        label=row.get("name"),
        status=status,
        native_status=native,
        ssh_host=str(address) if address else None,
        ssh_port=22 if address else None,
        ssh_user="ubuntu",
        jupyter_url=row.get("jupyter_url"),
        price_micros_per_hour=micros_of(SLUG, (row.get("instance_type") or {}).get("price_cents_per_hour"), cents=True),
    )
