"""Vultr cloud GPU instances: plain VMs. Bare metal is listed and not rented here.

POST and GET /v2/instances (pages of 500 by cursor), GET and DELETE /v2/instances/{id}, GET and POST /v2/ssh-keys: from
vultr/govultr, sure. An instance is up when it is active, powered and its server is "ok"; its address is 0.0.0.0 until
it has one. Labels are not unique.
What a refusal says is free text: the phrases below are a careful guess. An instance shows no price per hour.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from gpubroker.offers import errors
from gpubroker.offers.instances.exchange import Answer, boot_script, check, encoded, reading
from gpubroker.offers.instances.port import Instance, InstanceOrder, InstanceStatus
from gpubroker.offers.instances.rest import RestInstances, key_name, known_key, refused_by_words
from gpubroker.offers.providers.vultr import ORIGIN, SLUG

__all__ = ["ORIGIN", "SLUG", "VultrInstances", "headers"]

UBUNTU_22_04 = 1743
"""GET /v2/os: Ubuntu 22.04 LTS x64; on cloud GPU plans it comes with the driver."""

_NO_ADDRESS = "0.0.0.0"  # noqa: S104  (a word of theirs, nothing is bound)
_NO_CAPACITY = ("not available", "unavailable", "out of stock", "sold out", "no capacity")
_QUOTA = ("limit", "quota", "balance", "billing", "payment")


def headers(key: Any) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


class VultrInstances(RestInstances):
    """See `port.InstanceApi`."""

    slug = SLUG
    path = "/v2/instances"

    def create(self, order: InstanceOrder) -> Instance:
        check(order)
        body: dict[str, Any] = {
            "region": order.offer.launch["region"],
            "plan": order.offer.launch["plan"],
            "label": order.label,
            "os_id": UBUNTU_22_04,
            "sshkey_id": [self._key_id(order.ssh_public_key)],
            "backups": "disabled",
        }
        if script := boot_script(order):
            body["user_data"] = encoded(script)
        return self._made(body)

    @reading(SLUG)
    def _key_id(self, public_key: str) -> str:
        """The id under which the account knows this key, registered now if it did not."""
        if known := known_key(self._listed("/v2/ssh-keys", "ssh_keys"), public_key, text="ssh_key"):
            return str(known["id"])
        body = {"name": key_name(public_key), "ssh_key": public_key.strip()}
        return str(self._http.read("POST", "/v2/ssh-keys", body=body)["ssh_key"]["id"])

    def _listed(self, path: str, name: str) -> Iterable[Any]:
        def following(told: Any, read: int) -> dict[str, str] | None:
            cursor = ((told.get("meta") or {}).get("links") or {}).get("next")
            return {"cursor": str(cursor)} if cursor else None

        return self._pages(path, name, following, per_page="500")

    def _rows(self) -> Iterable[Any]:
        return self._listed(self.path, "instances")

    def _row(self, told: Any) -> Any:
        return told["instance"]

    def _instance(self, row: Mapping[str, Any]) -> Instance:
        native, power, server = (str(row.get(name) or "") for name in ("status", "power_status", "server_status"))
        address = row.get("main_ip")
        address = str(address) if address and address != _NO_ADDRESS else None
        status = InstanceStatus.PENDING
        if native == "suspended" or (native == "active" and server == "ok" and power == "stopped"):
            status = InstanceStatus.FAILED
        elif native == "active" and power == "running" and server == "ok" and address:
            status = InstanceStatus.RUNNING
        return Instance(
            instance_id=str(row["id"]),
            label=row.get("label"),
            status=status,
            native_status="/".join(word for word in (native, power, server) if word) or "pending",
            ssh_host=address,
            ssh_port=22 if address else None,
            ssh_user="root",
        )

    def _refused(self, answer: Answer) -> errors.ProviderError:
        return refused_by_words(answer, no_capacity=_NO_CAPACITY, quota=_QUOTA)
