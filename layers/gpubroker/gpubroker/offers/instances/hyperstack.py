"""Hyperstack virtual machines.

POST and GET /v1/core/virtual-machines, GET and DELETE .../{id}, GET and POST /v1/core/environments and
/v1/core/keypairs: from NexGenCloud/hyperstack-sdk-python, sure. A machine lives in an environment, which belongs to a
region, and takes a key pair of that environment: the account's own environment of the region is used, or one is made;
the caller's key is looked up there by its content and registered under a name made of it. Port 22 is closed unless a
rule opens it. Names are not unique. What a refusal says is free text: the phrases are a careful guess, so is the name
of the image (drivers and Docker). A machine shows no price.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from gpubroker.offers import errors
from gpubroker.offers.instances.exchange import Answer, boot_script, check, reading
from gpubroker.offers.instances.port import Instance, InstanceOrder, InstanceStatus
from gpubroker.offers.instances.rest import RestInstances, key_name, known_key, refused_by_words
from gpubroker.offers.providers.hyperstack import ORIGIN, SLUG

__all__ = ["ORIGIN", "SLUG", "HyperstackInstances", "headers"]

IMAGE = "Ubuntu Server 22.04 LTS R535 CUDA 12.2 with Docker"

_STATUS = {
    "ACTIVE": InstanceStatus.RUNNING,
    "SHUTOFF": InstanceStatus.FAILED,
    "ERROR": InstanceStatus.FAILED,
    "HIBERNATED": InstanceStatus.FAILED,
    "DELETING": InstanceStatus.ENDED,
    "DELETED": InstanceStatus.ENDED,
}
_NO_CAPACITY = ("stock", "capacity", "not available", "unavailable")
_QUOTA = ("quota", "credit", "balance", "limit")
_SSH_FROM_ANYWHERE = {
    "direction": "ingress",
    "protocol": "tcp",
    "ethertype": "IPv4",
    "remote_ip_prefix": "0.0.0.0/0",
    "port_range_min": 22,
    "port_range_max": 22,
}
_PAGE = 100


def headers(key: Any) -> dict[str, str]:
    return {"api_key": str(key)}


class HyperstackInstances(RestInstances):
    """See `port.InstanceApi`."""

    slug = SLUG
    path = "/v1/core/virtual-machines"

    def create(self, order: InstanceOrder) -> Instance:
        check(order)
        environment = self._environment(order.offer.launch["region"])
        body: dict[str, Any] = {
            "name": order.label,
            "environment_name": environment,
            "image_name": IMAGE,
            "flavor_name": order.offer.launch["flavor"],
            "key_name": self._key_name(order.ssh_public_key, environment),
            "count": 1,
            "assign_floating_ip": True,
            "security_rules": [_SSH_FROM_ANYWHERE],
        }
        if script := boot_script(order):
            body["user_data"] = script
        return self._made(body)

    @reading(SLUG)
    def _environment(self, region: str) -> str:
        """The name of an environment of the region: the account's default, else any, else one made now."""
        names = [
            str(one["name"]) for one in self._listed("/v1/core/environments", "environments") if one["region"] == region
        ]
        if names:
            default = f"default-{region}"
            return default if default in names else min(names)
        made = self._http.read("POST", "/v1/core/environments", body={"name": f"gpubroker-{region}", "region": region})
        return str(made["environment"]["name"])

    @reading(SLUG)
    def _key_name(self, public_key: str, environment: str) -> str:
        """The name under which the environment knows this key, registered now if it did not."""
        there = [
            one
            for one in self._listed("/v1/core/keypairs", "keypairs")
            if (one.get("environment") or {}).get("name") == environment
        ]
        if known := known_key(there, public_key):
            return str(known["name"])
        body = {"name": key_name(public_key), "environment_name": environment, "public_key": public_key.strip()}
        return str(self._http.read("POST", "/v1/core/keypairs", body=body)["keypair"]["name"])

    def _listed(self, path: str, name: str) -> Iterable[Any]:
        def following(told: Any, read: int) -> dict[str, str] | None:
            count = told.get("count")
            return {"page": str(read // _PAGE + 1)} if isinstance(count, int) and read < count else None

        return self._pages(path, name, following, page="1", pageSize=str(_PAGE))

    def _rows(self) -> Iterable[Any]:
        return self._listed(self.path, "instances")

    def _row(self, told: Any) -> Any:
        """A create answers with a list, of one here; a look with one."""
        return told["instances"][0] if "instances" in told else told["instance"]

    def _instance(self, row: Mapping[str, Any]) -> Instance:
        native = str(row.get("status") or "CREATING")
        status = _STATUS.get(native.upper(), InstanceStatus.PENDING)
        address = row.get("floating_ip") or None
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
        )

    def _refused(self, answer: Answer) -> errors.ProviderError:
        return refused_by_words(answer, no_capacity=_NO_CAPACITY, quota=_QUOTA)
