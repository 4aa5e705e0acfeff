"""DigitalOcean GPU Droplets: plain VMs.

POST and GET /v2/droplets (`type=gpus`: without it GPU Droplets are not listed), GET and DELETE /v2/droplets/{id}, GET
and POST /v2/account/keys: from the official OpenAPI document, sure. Names are not unique, so a create is found by its
name and never repeated blindly. A Droplet that is off is billed like one that runs.
The images are the documented ones with drivers: one for NVIDIA sizes of one GPU, one for those of eight, one for AMD.
What a 422 means stands in its message only: the phrases below are a careful guess.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from gpubroker.offers import errors
from gpubroker.offers.instances.exchange import Answer, boot_script, check, micros_of, reading
from gpubroker.offers.instances.port import Instance, InstanceOrder, InstanceStatus
from gpubroker.offers.instances.rest import RestInstances, key_name, known_key, refused_by_words
from gpubroker.offers.providers.digitalocean import ORIGIN, SLUG

__all__ = ["ORIGIN", "SLUG", "DropletInstances", "headers"]

_STATUS = {
    "new": InstanceStatus.PENDING,
    "active": InstanceStatus.RUNNING,
    "off": InstanceStatus.FAILED,
    "archive": InstanceStatus.ENDED,
}
_NO_CAPACITY = ("not available", "unavailable", "capacity", "sold out")
_QUOTA = ("limit", "quota", "billing", "payment")
_PAGE = "200"


def headers(key: Any) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


class DropletInstances(RestInstances):
    """See `port.InstanceApi`."""

    slug = SLUG
    path = "/v2/droplets"

    def create(self, order: InstanceOrder) -> Instance:
        check(order)
        launch = order.offer.launch
        body: dict[str, Any] = {
            "name": order.label,
            "region": launch["region"],
            "size": launch["size"],
            "image": launch["image"],
            "ssh_keys": [self._key_id(order.ssh_public_key)],
        }
        if script := boot_script(order):
            body["user_data"] = script
        return self._made(body)

    def _key_id(self, public_key: str) -> int:
        """The id under which the account knows this key, registered now if it did not."""
        with reading(SLUG):
            if known := known_key(self._listed("/v2/account/keys", "ssh_keys"), public_key):
                return int(known["id"])
            body = {"name": key_name(public_key), "public_key": public_key.strip()}
            answer = self._http.send("POST", "/v2/account/keys", body=body)
            if answer.ok:
                return int(answer.json()["ssh_key"]["id"])
            # Two rentals of one caller may register it at once; the loser is told that it is in use.
            if answer.status == 422 and (known := known_key(self._listed("/v2/account/keys", "ssh_keys"), public_key)):
                return int(known["id"])
        raise answer.refusal()

    def _listed(self, path: str, name: str, **asked: str) -> Iterable[Any]:
        def following(told: Any, read: int) -> dict[str, str] | None:
            more = ((told.get("links") or {}).get("pages") or {}).get("next")
            return {"page": str(read // int(_PAGE) + 1)} if more else None

        return self._pages(path, name, following, per_page=_PAGE, **asked)

    def _rows(self) -> Iterable[Any]:
        return self._listed(self.path, "droplets", type="gpus")

    def _row(self, told: Any) -> Any:
        return told["droplet"]

    def _instance(self, row: Mapping[str, Any]) -> Instance:
        native = str(row.get("status") or "new")
        status = _STATUS.get(native, InstanceStatus.PENDING)
        v4 = (row.get("networks") or {}).get("v4") or []
        address = next((one["ip_address"] for one in v4 if one.get("type") == "public"), None)
        if status is InstanceStatus.RUNNING and address is None:
            status = InstanceStatus.PENDING
        return Instance(
            instance_id=str(row["id"]),
            label=row.get("name"),
            status=status,
            native_status=native,
            ssh_host=address,
            ssh_port=22 if address else None,
            ssh_user="root",
            price_micros_per_hour=micros_of(SLUG, (row.get("size") or {}).get("price_hourly")),
        )

    def _refused(self, answer: Answer) -> errors.ProviderError:
        return refused_by_words(answer, no_capacity=_NO_CAPACITY, quota=_QUOTA)
