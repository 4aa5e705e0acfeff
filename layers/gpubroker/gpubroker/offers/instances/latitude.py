"""Latitude.sh instances: virtual machines. Bare-metal servers are listed and not rented: they take too long to deploy.

POST and GET /virtual_machines, GET and DELETE /virtual_machines/{id}, GET and POST /ssh_keys, POST, GET and DELETE
/user_data (JSON:API, pages by page[number]): from the official SDK 3.4, sure. A boot script is a record of its own,
named like its machine and deleted with it: it holds the rental's environment. The words for where a machine stands may
grow over time: those that nobody knows are pending. What a refusal says is free text: the phrases below are a careful
guess. The account that keys are put into is taken to be `ubuntu`, as the SDK says where the image does not.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from gpubroker.offers import asking, errors
from gpubroker.offers.instances.exchange import Answer, Exchange, boot_script, check, encoded, reading, same_key
from gpubroker.offers.instances.port import Instance, InstanceOrder, InstanceStatus
from gpubroker.offers.instances.rest import RestInstances, key_name, refused_by_words
from gpubroker.offers.providers.latitude import ORIGIN, SLUG

__all__ = ["ORIGIN", "SLUG", "LatitudeInstances", "headers"]

_STATUS = {
    "running": InstanceStatus.RUNNING,
    "stopped": InstanceStatus.FAILED,
    "off": InstanceStatus.FAILED,
    "failed": InstanceStatus.FAILED,
    "error": InstanceStatus.FAILED,
    "deleting": InstanceStatus.ENDED,
    "destroying": InstanceStatus.ENDED,
    "deleted": InstanceStatus.ENDED,
    "destroyed": InstanceStatus.ENDED,
}
_NO_CAPACITY = ("out of stock", "no capacity", "not available", "unavailable", "no stock", "sold out")
_QUOTA = ("limit", "quota", "balance", "payment", "billing")
_PAGE = 100


def headers(key: Any) -> dict[str, str]:
    api_key, _ = asking.account(SLUG, key, "api_key", "project")
    return {"authorization": f"Bearer {api_key}"}


class LatitudeInstances(RestInstances):
    """See `port.InstanceApi`. Everything is made in one project of the account."""

    slug = SLUG
    path = "/virtual_machines"

    def __init__(self, exchange: Exchange, key: Any) -> None:
        super().__init__(exchange)
        _, self._project = asking.account(SLUG, key, "api_key", "project")

    def create(self, order: InstanceOrder) -> Instance:
        check(order)
        launch = order.offer.launch
        attributes: dict[str, Any] = {
            "name": order.label,
            "project": self._project,
            "plan": launch["plan"],
            "site": launch["site"],
            "billing": "hourly",
            "ssh_keys": [self._key_id(order.ssh_public_key)],
        }
        if script := boot_script(order):
            attributes["user_data"] = self._script_id(order.label, script)
        try:
            return self._made({"data": {"type": "virtual_machines", "attributes": attributes}})
        except (errors.NoCapacity, errors.QuotaExceeded, errors.BadCredentials, errors.RateLimited):
            self._forget_scripts(order.label)  # nothing was made that would read it
            raise

    def end(self, instance_id: str) -> None:
        told = self.get(instance_id)
        if told is None:
            return
        super().end(instance_id)
        if told.label:
            self._forget_scripts(told.label)

    @reading(SLUG)
    def _key_id(self, public_key: str) -> str:
        """The id under which the account knows this key, registered now if it did not."""
        for row in self._listed("/ssh_keys"):
            if same_key(str(row["attributes"].get("public_key") or ""), public_key):
                return str(row["id"])
        attributes = {"name": key_name(public_key), "public_key": public_key.strip(), "project": self._project}
        return str(self._added("/ssh_keys", "ssh_keys", attributes))

    @reading(SLUG)
    def _script_id(self, label: str, script: str) -> str:
        attributes = {"description": label, "content": encoded(script), "project": self._project}
        return str(self._added("/user_data", "user_data", attributes))

    def _added(self, path: str, kind: str, attributes: Mapping[str, Any]) -> Any:
        return self._http.read("POST", path, body={"data": {"type": kind, "attributes": attributes}})["data"]["id"]

    @reading(SLUG)
    def _forget_scripts(self, label: str) -> None:
        for row in list(self._listed("/user_data")):
            if row["attributes"].get("description") == label:
                answer = self._http.send("DELETE", f"/user_data/{row['id']}")
                if not answer.ok and answer.status != 404:
                    raise answer.refusal()

    def _listed(self, path: str) -> Iterable[Any]:
        def following(told: Any, read: int) -> dict[str, str] | None:
            return {"page[number]": str(read // _PAGE + 1)} if len(told["data"]) == _PAGE else None

        return self._pages(path, "data", following, **{"page[size]": str(_PAGE), "filter[project]": self._project})

    def _rows(self) -> Iterable[Any]:
        return self._listed(self.path)

    def _row(self, told: Any) -> Any:
        return told["data"]

    def _instance(self, row: Mapping[str, Any]) -> Instance:
        told = row["attributes"]
        native = str(told.get("status") or "scheduling")
        status = _STATUS.get(native.lower(), InstanceStatus.PENDING)
        address = told.get("primary_ipv4") or None
        if status is InstanceStatus.RUNNING and address is None:
            status = InstanceStatus.PENDING
        return Instance(
            instance_id=str(row["id"]),
            label=told.get("name"),
            status=status,
            native_status=native,
            ssh_host=str(address) if address else None,
            ssh_port=22 if address else None,
            ssh_user="ubuntu",
        )

    def _refused(self, answer: Answer) -> errors.ProviderError:
        return refused_by_words(answer, no_capacity=_NO_CAPACITY, quota=_QUOTA)
