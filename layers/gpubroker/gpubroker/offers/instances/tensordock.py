"""TensorDock instances: virtual machines with an address of their own.

POST and GET /api/v2/instances, GET and DELETE /api/v2/instances/{id}: from a client with contract tests and a log of
the provider's bugs, medium sure. What it warns of is heeded: `ssh_key` must be given and is not installed, nor are
cloud-init's `ssh_authorized_keys`, so the key comes by `write_files` (root) and by `runcmd` (root and `user`, the
account that the image makes); asked-for port forwards are ignored, so the machine gets a dedicated address; ubuntu2404
has no driver. A refusal may come as 200 with {"status": 400, "error": ...} in the body, and what it says is free text:
the phrases below are those of that client. A list has its rows under `data` or under `data.instances`.
"""

import shlex
from collections.abc import Iterable, Mapping
from typing import Any

from gpubroker.offers import asking, errors
from gpubroker.offers.instances.exchange import Answer, boot_script, check, encoded, micros_of
from gpubroker.offers.instances.port import Instance, InstanceOrder, InstanceStatus
from gpubroker.offers.instances.rest import RestInstances, possible, refused_by_words
from gpubroker.offers.providers.tensordock import DISK_GB, ORIGIN, SLUG

__all__ = ["ORIGIN", "SLUG", "TensorDockInstances", "headers"]

IMAGE = "ubuntu2204"

_STATUS = {
    "running": InstanceStatus.RUNNING,
    "stopped": InstanceStatus.FAILED,
    "error": InstanceStatus.FAILED,
    "failed": InstanceStatus.FAILED,
    "deleting": InstanceStatus.ENDED,
    "deleted": InstanceStatus.ENDED,
    "terminated": InstanceStatus.ENDED,
}
_NO_CAPACITY = (
    "no available nodes",
    "no nodes available",
    "insufficient capacity",
    "not enough capacity",
    "no capacity",
    "at capacity",
    "out of stock",
    "sold out",
    "unavailable",
    "not available",
    "no available public ip",
)
_QUOTA = ("balance", "insufficient funds", "quota", "limit reached", "maximum")


def headers(key: Any) -> dict[str, str]:
    _, token = asking.account(SLUG, key, "api_key", "api_token")
    return {"authorization": f"Bearer {token}"}


class TensorDockInstances(RestInstances):
    """See `port.InstanceApi`."""

    slug = SLUG
    path = "/api/v2/instances"

    def create(self, order: InstanceOrder) -> Instance:
        check(order)
        launch = order.offer.launch
        attributes = {
            "name": order.label,
            "type": "virtualmachine",
            "image": IMAGE,
            "location_id": launch["location_id"],
            "resources": {
                "vcpu_count": launch["vcpus"],
                "ram_gb": launch["ram_gb"],
                "storage_gb": max(DISK_GB, order.disk_gb or 0),
                "gpus": {launch["gpu"]: {"count": launch["gpus"]}},
            },
            "useDedicatedIp": True,
            "ssh_key": order.ssh_public_key.strip(),
            "cloud_init": _cloud_init(order),
        }
        return self._made({"data": {"type": "virtualmachine", "attributes": attributes}})

    def get(self, instance_id: str) -> Instance | None:
        try:
            return super().get(instance_id)
        except errors.InstanceGone:
            return None

    def end(self, instance_id: str) -> None:
        if not possible(instance_id):
            return
        answer = self._http.send("DELETE", f"{self.path}/{instance_id}")
        if answer.status == 404:
            return
        if not answer.ok:
            raise self._refused(answer)
        refusal = _in_body(answer.json()) if answer.body.strip() else None
        if refusal is not None and not isinstance(refusal, errors.InstanceGone):
            raise refusal

    def _rows(self) -> Iterable[Any]:
        told = self._http.read("GET", self.path)
        if refusal := _in_body(told):
            raise refusal
        rows = told["data"]
        rows = rows["instances"] if isinstance(rows, Mapping) else rows
        if not isinstance(rows, list):
            raise errors.UnknownAnswer(SLUG, "no list of instances")
        return rows

    def _row(self, told: Any) -> Any:
        if refusal := _in_body(told):
            raise refusal
        row = told.get("data", told)
        return {**row, **row.get("attributes", {})}

    def _instance(self, row: Mapping[str, Any]) -> Instance:
        native = str(row.get("status") or "creating")
        status = _STATUS.get(native.lower(), InstanceStatus.PENDING)
        address = row.get("ipAddress") or row.get("ip_address") or None
        if status is InstanceStatus.RUNNING and address is None:
            status = InstanceStatus.PENDING
        return Instance(
            instance_id=str(row["id"]),
            label=row.get("name"),
            status=status,
            native_status=native,
            ssh_host=str(address) if address else None,
            ssh_port=_ssh_port(row) if address else None,
            ssh_user="user",
            price_micros_per_hour=micros_of(SLUG, row.get("rateHourly", row.get("price_per_hour"))),
        )

    def _refused(self, answer: Answer) -> errors.ProviderError:
        return refused_by_words(answer, no_capacity=_NO_CAPACITY, quota=_QUOTA)


def _in_body(told: Any) -> errors.ProviderError | None:
    """The refusal that an answer of status 200 holds, None for none."""
    status = told.get("status") if isinstance(told, Mapping) else None
    if not isinstance(status, int) or status < 400:
        return None
    words = str(told.get("error") or "").lower()
    if status == 404 and "node" not in words:
        return errors.InstanceGone(SLUG, "no such instance")
    answer = Answer(SLUG, status, {}, words.encode())
    return refused_by_words(answer, no_capacity=_NO_CAPACITY, quota=_QUOTA)


def _ssh_port(row: Mapping[str, Any]) -> int:
    """22 at an address of its own; what it is forwarded to where the provider forwards after all."""
    for one in row.get("portForwards") or ():
        if one.get("internal_port") == 22:
            return int(one["external_port"])
    return 22


def _cloud_init(order: InstanceOrder) -> dict[str, Any]:
    key = order.ssh_public_key.strip()
    commands = [
        line for home, owner in (("/root", "root"), ("/home/user", "user")) for line in _lets_in(key, home, owner)
    ]
    if script := boot_script(order):
        commands.append(f"echo {encoded(script)} | base64 -d | bash")
    files = [{"path": "/root/.ssh/authorized_keys", "content": key + "\n", "permissions": "0600", "owner": "root:root"}]
    return {"write_files": files, "runcmd": commands}


def _lets_in(key: str, home: str, owner: str) -> list[str]:
    """Shell lines that add a key to an account, once."""
    keys, quoted = f"{home}/.ssh/authorized_keys", shlex.quote(key)
    return [
        f"install -d -m 700 -o {owner} -g {owner} {home}/.ssh",
        f"grep -qxF {quoted} {keys} || echo {quoted} >> {keys}",
        f"chmod 600 {keys} && chown {owner}:{owner} {keys}",
    ]
