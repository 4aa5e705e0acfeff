"""Verda (formerly DataCrunch) instances: plain VMs, on demand.

POST /v1/oauth2/token, POST and GET /v1/instances, GET /v1/instances/{id}, PUT /v1/instances {"id", "action"}, GET and
POST /v1/sshkeys, POST and DELETE /v1/scripts: from PyPI verda 1.25.0, sure. What is created is answered with its bare
id as text. A boot script is a resource of its own: it is made for the instance and dropped when that is ended, since it
holds the instance's environment. An instance that is being provisioned cannot be deleted yet: ProviderUnavailable, to
be tried again. The codes of a refusal are a careful guess, so is the name of the image (drivers and Docker).
"""

import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

from gpubroker.offers import errors
from gpubroker.offers.instances.exchange import Answer, Exchange, boot_script, check, micros_of, reading
from gpubroker.offers.instances.port import Instance, InstanceOrder, InstanceStatus
from gpubroker.offers.instances.rest import RestInstances, key_name, known_key, possible, refused_by_words
from gpubroker.offers.providers.verda import ORIGIN, SLUG

__all__ = ["ORIGIN", "SLUG", "VerdaInstances", "headers"]

IMAGE = "ubuntu-24.04-cuda-12.8-open-docker"

_STATUS = {
    "running": InstanceStatus.RUNNING,
    "offline": InstanceStatus.FAILED,
    "error": InstanceStatus.FAILED,
    "no_capacity": InstanceStatus.FAILED,
    "installation_failed": InstanceStatus.FAILED,
    "deleting": InstanceStatus.ENDED,
    "discontinued": InstanceStatus.ENDED,
    "notfound": InstanceStatus.ENDED,
}
_NO_CAPACITY = ("no_capacity", "not available", "unavailable", "capacity", "no_available")
_QUOTA = ("insufficient_funds", "balance", "quota", "limit")
_NOT_YET = "provisioning"


def headers(key: Any) -> dict[str, str]:
    """None of the key's own: it is given for a token, see `VerdaInstances`."""
    del key
    return {}


class VerdaInstances(RestInstances):
    """See `port.InstanceApi`. `key` is {"client_id", "client_secret"}; a token is asked for with the first call."""

    slug = SLUG
    path = "/v1/instances"

    def __init__(self, exchange: Exchange, key: Any) -> None:
        if not isinstance(key, Mapping) or not {"client_id", "client_secret"} <= key.keys():
            raise errors.BadCredentials(SLUG, "client_id and client_secret are needed")
        super().__init__(_Authorised(exchange, key))

    def create(self, order: InstanceOrder) -> Instance:
        check(order)
        launch = order.offer.launch
        body: dict[str, Any] = {
            "instance_type": launch["instance_type"],
            "location_code": launch["location_code"],
            "image": IMAGE,
            "hostname": order.label,
            "description": order.label,
            "ssh_key_ids": [self._key_id(order.ssh_public_key)],
            "is_spot": False,
        }
        if script := boot_script(order):
            body["startup_script_id"] = self._made_id("/v1/scripts", {"name": order.label, "script": script})
        return Instance(
            instance_id=self._made_id(self.path, body),
            label=order.label,
            status=InstanceStatus.PENDING,
            native_status="ordered",
        )

    def end(self, instance_id: str) -> None:
        if not possible(instance_id):
            return
        found = self._http.send("GET", f"{self.path}/{instance_id}")
        if found.status == 404:
            return
        if not found.ok:
            raise self._refused(found)
        answer = self._http.send("PUT", self.path, body={"id": instance_id, "action": "delete"})
        if answer.status == 404:
            return
        if not answer.ok:
            if _NOT_YET in answer.words():
                raise errors.ProviderUnavailable(SLUG, "it cannot be deleted yet")
            raise self._refused(answer)
        with reading(SLUG):
            script = found.json().get("startup_script_id")
        if script:
            self._http.send("DELETE", "/v1/scripts", body={"scripts": [script]})

    @reading(SLUG)
    def _key_id(self, public_key: str) -> str:
        """The id under which the account knows this key, registered now if it did not."""
        if known := known_key(self._http.read("GET", "/v1/sshkeys"), public_key, text="key"):
            return str(known["id"])
        return self._made_id("/v1/sshkeys", {"name": key_name(public_key), "key": public_key.strip()})

    def _made_id(self, path: str, body: Mapping[str, Any]) -> str:
        """The id that a create answers with: text, quoted or not. Raises UnknownAnswer on what is no id."""
        answer = self._http.send("POST", path, body=body)
        if not answer.ok:
            raise self._refused(answer)
        text = answer.body[:200].decode("ascii", "replace").strip()
        with suppress(ValueError):
            text = str(json.loads(text))
        if not text or not possible(text):
            raise errors.UnknownAnswer(SLUG, "a create that names nothing")
        return text

    def _rows(self) -> Iterable[Any]:
        rows: Iterable[Any] = self._http.read("GET", self.path)
        if not isinstance(rows, list):
            raise errors.UnknownAnswer(SLUG, "no list of instances")
        return rows

    def _row(self, told: Any) -> Any:
        return told

    def _instance(self, row: Mapping[str, Any]) -> Instance:
        native = str(row.get("status") or "ordered")
        status = _STATUS.get(native, InstanceStatus.PENDING)
        address = row.get("ip") or None
        if status is InstanceStatus.RUNNING and address is None:
            status = InstanceStatus.PENDING
        return Instance(
            instance_id=str(row["id"]),
            label=row.get("hostname"),
            status=status,
            native_status=native,
            ssh_host=str(address) if address else None,
            ssh_port=22 if address else None,
            ssh_user="root",
            price_micros_per_hour=micros_of(SLUG, row.get("price_per_hour")),
        )

    def _refused(self, answer: Answer) -> errors.ProviderError:
        return refused_by_words(answer, no_capacity=_NO_CAPACITY, quota=_QUOTA)


class _Authorised(Exchange):
    """An exchange whose calls carry a token, asked for once with the client's credentials."""

    def __init__(self, exchange: Exchange, key: Mapping[str, Any]) -> None:
        exchange._secrets = tuple(str(key[name]).encode() for name in ("client_id", "client_secret"))
        self.__dict__.update(exchange.__dict__)
        body = {"grant_type": "client_credentials", **{name: key[name] for name in ("client_id", "client_secret")}}
        self._token: Callable[[], Any] = lambda: exchange.read("POST", "/v1/oauth2/token", body=body)["access_token"]

    def send(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        text: str | None = None,
        params: Mapping[str, str] | None = None,
    ) -> Answer:
        if "authorization" not in self._headers:
            with reading(SLUG):
                token = str(self._token())
            self._headers = {**self._headers, "authorization": f"Bearer {token}"}
            self._secrets = (*self._secrets, token.encode())
        return super().send(method, path, body=body, text=text, params=params)
