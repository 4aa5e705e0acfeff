"""Scaleway instances: VMs of one zone each, so an instance's id here is `<zone>:<id>`.

POST /instance/v1/zones/{zone}/servers, PATCH .../servers/{id}/user_data/cloud-init (plain text), POST
.../servers/{id}/action, GET .../servers and .../servers/{id}: from scaleway/scaleway-cli, sure. A new server is stopped
and costs its volumes until it is powered on: one that is found stopped is failed and is ended. Terminating takes the
volumes along and needs a server that runs; a stopped one is deleted, and then its volumes, which stay if that is cut
short between the two.
The caller's key goes in by a tag, AUTHORIZED_KEY, with underscores for blanks. The image is named by its label.
What a refusal says: its `type` is sure (quotas_exceeded, out_of_stock), its message is not relied on. No price is told.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from gpubroker.offers import errors
from gpubroker.offers.instances.exchange import Answer, Exchange, boot_script, check, reading
from gpubroker.offers.instances.port import Instance, InstanceOrder, InstanceStatus
from gpubroker.offers.instances.rest import RestInstances, possible, refused_by_words
from gpubroker.offers.providers.scaleway import ORIGIN, SLUG, ZONES, header

__all__ = ["ORIGIN", "SLUG", "ScalewayInstances", "headers"]

IMAGE = "ubuntu_jammy_gpu_os_12"

_STATUS = {
    "starting": InstanceStatus.PENDING,
    "running": InstanceStatus.RUNNING,
    "stopped": InstanceStatus.FAILED,
    "stopped in place": InstanceStatus.FAILED,
    "stopping": InstanceStatus.ENDED,
    "locked": InstanceStatus.FAILED,
}
_NO_CAPACITY = ("out_of_stock", "out of stock", "no capacity")
_QUOTA = ("quotas_exceeded", "quota")
_PAGE = 100


def headers(key: Any) -> dict[str, str]:
    return header(key)


class ScalewayInstances(RestInstances):
    """See `port.InstanceApi`. `project` is where new servers belong; None is the key's own default project."""

    slug = SLUG

    def __init__(self, exchange: Exchange, project: str | None = None) -> None:
        super().__init__(exchange)
        self._project = project

    def create(self, order: InstanceOrder) -> Instance:
        check(order)
        zone = order.offer.launch["zone"]
        kind, blob = order.ssh_public_key.split()[:2]
        body: dict[str, Any] = {
            "name": order.label,
            "commercial_type": order.offer.launch["commercial_type"],
            "image": IMAGE,
            "dynamic_ip_required": True,
            "tags": [f"AUTHORIZED_KEY={kind}_{blob}"],
        }
        if self._project:
            body["project"] = self._project
        answer = self._http.send("POST", _servers(zone), body=body)
        if not answer.ok:
            raise self._refused(answer)
        with reading(SLUG):
            made = self._in_zone(zone, answer.json()["server"])
        path = f"{_servers(zone)}/{made.instance_id.partition(':')[2]}"
        if script := boot_script(order):
            self._done(self._http.send("PATCH", f"{path}/user_data/cloud-init", text=script))
        self._done(self._http.send("POST", f"{path}/action", body={"action": "poweron"}))
        return Instance(
            instance_id=made.instance_id,
            label=order.label,
            status=InstanceStatus.PENDING,
            native_status="starting",
        )

    def _done(self, answer: Answer) -> None:
        """Raises what a refusal means. Of a step after the server was made it is not told that nothing was made."""
        if not answer.ok:
            refused = self._refused(answer)
            if isinstance(refused, errors.NoCapacity | errors.QuotaExceeded):
                raise errors.ProviderUnavailable(SLUG, "made, and not started") from refused
            raise refused

    def get(self, instance_id: str) -> Instance | None:
        found = self._look(instance_id)
        if found is None:
            return None
        with reading(SLUG):
            return self._in_zone(instance_id.partition(":")[0], found.json()["server"])

    def _look(self, instance_id: str) -> Answer | None:
        path = _path(instance_id)
        if path is None:
            return None
        answer = self._http.send("GET", path)
        if answer.status == 404:
            return None
        if not answer.ok:
            raise self._refused(answer)
        return answer

    def end(self, instance_id: str) -> None:
        found = self._look(instance_id)
        if found is None:
            return
        zone, _, server = instance_id.partition(":")
        with reading(SLUG):
            row = found.json()["server"]
            now = self._in_zone(zone, row)
            volumes = [(str(one["id"]), one.get("volume_type")) for one in (row.get("volumes") or {}).values()]
        if now.status is InstanceStatus.ENDED:
            return
        if not now.native_status.startswith("stopped"):
            self._gone(self._http.send("POST", f"{_servers(zone)}/{server}/action", body={"action": "terminate"}))
            return
        self._gone(self._http.send("DELETE", f"{_servers(zone)}/{server}"))
        for volume, kind in volumes:
            if possible(volume):
                api = "block" if kind == "sbs_volume" else "instance"
                self._gone(self._http.send("DELETE", f"/{api}/v1/zones/{zone}/volumes/{volume}"))

    def _gone(self, answer: Answer) -> None:
        if not answer.ok and answer.status != 404:
            raise self._refused(answer)

    def list(self) -> list[Instance]:
        with reading(SLUG):
            found = [self._in_zone(zone, row) for zone in ZONES for row in self._servers_of(zone)]
        return [instance for instance in found if instance.status is not InstanceStatus.ENDED]

    def _servers_of(self, zone: str) -> Iterator[Mapping[str, Any]]:
        def following(told: Any, read: int) -> dict[str, str] | None:
            return {"page": str(read // _PAGE + 1)} if len(told["servers"]) == _PAGE else None

        rows: Iterable[Mapping[str, Any]] = self._pages(_servers(zone), "servers", following, per_page=str(_PAGE))
        yield from rows

    def _in_zone(self, zone: str, row: Mapping[str, Any]) -> Instance:
        native = str(row.get("state") or "starting")
        status = _STATUS.get(native, InstanceStatus.PENDING)
        address = (row.get("public_ip") or {}).get("address")
        if status is InstanceStatus.RUNNING and address is None:
            status = InstanceStatus.PENDING
        return Instance(
            instance_id=f"{zone}:{row['id']}",
            label=row.get("name"),
            status=status,
            native_status=native,
            ssh_host=str(address) if address else None,
            ssh_port=22 if address else None,
            ssh_user="root",
        )

    def _refused(self, answer: Answer) -> errors.ProviderError:
        return refused_by_words(answer, no_capacity=_NO_CAPACITY, quota=_QUOTA)


def _servers(zone: str) -> str:
    return f"/instance/v1/zones/{zone}/servers"


def _path(instance_id: str) -> str | None:
    """Where an instance is; None for an id that cannot be one, which never becomes part of a path."""
    zone, colon, server = instance_id.partition(":")
    return f"{_servers(zone)}/{server}" if colon and zone in ZONES and possible(server) else None
