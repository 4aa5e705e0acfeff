"""Vast.ai instances: accepting an ask makes a contract.

PUT /api/v0/asks/{id}/, GET and DELETE /api/v0/instances/{id}/: from the official OpenAPI document, sure.
GET /api/v0/instances/ lists; accounts made after 2026-06-02 get 410 there and use GET /api/v1/instances/: sure of both
from the same document, less sure of v1's pages (`next_token`, asked back as `after_token`).
The caller's key is let in by `onstart`, so that one call does it all. A refused create can still carry `new_contract`
(a bid that was too low): it is returned as failed, to be recorded and ended.
"""

from collections.abc import Mapping
from typing import Any

from gpubroker.offers import errors
from gpubroker.offers.instances.exchange import Answer, Exchange, authorized_key, check, micros_of, reading
from gpubroker.offers.instances.port import Instance, InstanceOrder, InstanceStatus
from gpubroker.offers.providers.vastai import DISK_GB, ORIGIN, SLUG

__all__ = ["ORIGIN", "SLUG", "VastInstances", "headers"]

IMAGE = "pytorch/pytorch:2.5.1-cuda12.4-cudnn9-runtime"

_STATUS = {
    "creating": InstanceStatus.PENDING,
    "loading": InstanceStatus.PENDING,
    "created": InstanceStatus.PENDING,
    "running": InstanceStatus.RUNNING,
    "exited": InstanceStatus.FAILED,
    "offline": InstanceStatus.FAILED,
}
_NO_CAPACITY = ("no_such_ask", "not available", "no longer available", "already rented", "not rentable")
_BID_TOO_LOW = "bid_too_low"
_QUOTA = ("insufficient_credit", "insufficient credit", "lacks credit", "balance")
_MOST_PAGES = 200


def headers(key: Any) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


class VastInstances:
    """See `port.InstanceApi`."""

    def __init__(self, exchange: Exchange) -> None:
        self._http = exchange

    def create(self, order: InstanceOrder) -> Instance:
        check(order)
        launch = order.offer.launch
        script = [authorized_key(order.ssh_public_key)]
        if order.start_script:
            script.append(order.start_script)
        body: dict[str, Any] = {
            "client_id": "me",
            "image": order.image or IMAGE,
            "disk": order.disk_gb or DISK_GB,
            "label": order.label,
            "env": dict(order.env),
            "onstart": "\n".join(script),
            "runtype": "jupyter_direct",
            "use_jupyter_lab": True,
        }
        if bid := launch.get("bid"):
            body["price"] = float(bid)
        answer = self._http.send("PUT", f"/api/v0/asks/{launch['ask_id']}/", body=body)
        told = _object(answer)
        contract = told.get("new_contract")
        if contract is not None:
            made = answer.ok and told.get("success") is not False
            return Instance(
                instance_id=str(contract),
                label=order.label,
                status=InstanceStatus.PENDING if made else InstanceStatus.FAILED,
                native_status="creating" if made else str(told.get("error") or "refused"),
                bid_too_low=not made and _BID_TOO_LOW in answer.words(),
            )
        raise _refused(answer)

    def find(self, label: str) -> list[Instance]:
        return [instance for instance in self.list() if instance.label == label]

    def get(self, instance_id: str) -> Instance | None:
        if not (instance_id.isascii() and instance_id.isdecimal()):
            return None  # contracts are numbers; anything else never becomes part of a path
        answer = self._http.send("GET", f"/api/v0/instances/{instance_id}/")
        if answer.status == 404:
            return None
        if not answer.ok:
            raise _refused(answer)
        row = _object(answer).get("instances")
        if not row:
            return None
        return _instance(row)

    def end(self, instance_id: str) -> None:
        if not (instance_id.isascii() and instance_id.isdecimal()):
            return
        answer = self._http.send("DELETE", f"/api/v0/instances/{instance_id}/")
        if answer.status == 404 or "no_such_instance" in answer.words():
            return
        if not answer.ok or _object(answer).get("success") is False:
            raise _refused(answer)

    def list(self) -> list[Instance]:
        answer = self._http.send("GET", "/api/v0/instances/")
        if answer.status != 410:
            if not answer.ok:
                raise _refused(answer)
            return [_instance(row) for row in _rows(_object(answer))]
        found: list[Instance] = []
        params: dict[str, str] = {}
        for _ in range(_MOST_PAGES):
            page = self._http.read("GET", "/api/v1/instances/", params=params)
            found += [_instance(row) for row in _rows(page)]
            token = page.get("next_token")
            if not token:
                break
            params = {"after_token": str(token)}
        return found


def _object(answer: Answer) -> Mapping[str, Any]:
    """The decoded object; an error that is plain text (429 is) raises as its status."""
    try:
        told = answer.json()
    except errors.UnknownAnswer:
        if not answer.ok:
            raise _refused(answer) from None
        raise
    if not isinstance(told, Mapping):
        raise errors.UnknownAnswer(SLUG, "no object")
    return told


def _refused(answer: Answer) -> errors.ProviderError:
    words = answer.words()
    if answer.status != 429 and answer.status < 500:
        if _BID_TOO_LOW in words:
            return errors.NoCapacity(SLUG, "the bid is too low")
        if any(phrase in words for phrase in _NO_CAPACITY):
            return errors.NoCapacity(SLUG, "the ask is gone")
        if any(phrase in words for phrase in _QUOTA):
            return errors.QuotaExceeded(SLUG, "the account's credit does not allow it")
        if "no_such_instance" in words:
            return errors.InstanceGone(SLUG, "no such instance")
    return answer.refusal()


def _rows(told: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    rows = told.get("instances")
    if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
        raise errors.UnknownAnswer(SLUG, "no list of instances")
    return rows


@reading(SLUG)
def _instance(row: Any) -> Instance:
    if not isinstance(row, Mapping) or row.get("id") is None:
        raise errors.UnknownAnswer(SLUG, "an instance without an id")
    native = str(row.get("actual_status") or "creating")
    status = _STATUS.get(native, InstanceStatus.PENDING)
    if status is InstanceStatus.PENDING and str(row.get("status_msg") or "").startswith("Error"):
        status = InstanceStatus.FAILED  # the image cannot be pulled: it would load for ever
    host, port = _direct(row, "22/tcp") or (row.get("ssh_host"), row.get("ssh_port"))
    if status is InstanceStatus.RUNNING and not (host and port):
        status = InstanceStatus.PENDING
    jupyter = _direct(row, "8080/tcp")
    token = row.get("jupyter_token")
    return Instance(
        instance_id=str(row["id"]),
        label=row.get("label"),
        status=status,
        native_status=native,
        ssh_host=str(host).strip() if host else None,
        ssh_port=int(port) if port else None,
        ssh_user="root",
        jupyter_url=f"https://{jupyter[0]}:{jupyter[1]}/?token={token}" if jupyter and token else None,
        price_micros_per_hour=micros_of(SLUG, row.get("dph_total")),
    )


def _direct(row: Mapping[str, Any], port: str) -> tuple[str, int] | None:
    """Public address and port of a container port, where it is mapped (the `_direct` run types)."""
    mapped = (row.get("ports") or {}).get(port)
    address = str(row.get("public_ipaddr") or "").strip()
    if not mapped or not address:
        return None
    return address, int(mapped[0]["HostPort"])
