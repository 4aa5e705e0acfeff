"""RunPod pods over REST v1 (https://rest.runpod.io/v1).

POST /v1/pods, GET /v1/pods, GET and DELETE /v1/pods/{id}: from the official OpenAPI document, sure. What "no capacity"
looks like is not in it: the phrases below are those that its clients match (dstack, SkyPilot).
The official images start sshd for PUBLIC_KEY and Jupyter for JUPYTER_PASSWORD; another image must do so itself.
Jupyter is reached through RunPod's proxy: https://{pod}-8888.proxy.runpod.net.
"""

import secrets
from collections.abc import Callable, Mapping
from typing import Any

from gpubroker.offers import errors
from gpubroker.offers.instances.exchange import Answer, Exchange, check, micros_of, reading
from gpubroker.offers.instances.port import Instance, InstanceOrder, InstanceStatus
from gpubroker.offers.providers.runpod import SLUG

__all__ = ["ORIGIN", "SLUG", "RunPodInstances", "headers"]

ORIGIN = "https://rest.runpod.io"
IMAGE = "runpod/pytorch:2.8.0-py3.11-cuda12.8.1-cudnn-devel-ubuntu22.04"
DISK_GB = 32

_NO_CAPACITY = (
    "no longer any instances available",
    "no instances available",
    "no instances currently available",
    "could not find any pods with required specifications",
    "does not have the resources to deploy your pod",
    "not enough free gpus",
)
_QUOTA = ("balance", "spending limit", "spend limit", "quota")


def headers(key: Any) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


class RunPodInstances:
    """See `port.InstanceApi`."""

    def __init__(self, exchange: Exchange, *, new_password: Callable[[], str] = secrets.token_urlsafe) -> None:
        self._http = exchange
        self._new_password = new_password

    def create(self, order: InstanceOrder) -> Instance:
        check(order)
        launch = order.offer.launch
        body: dict[str, Any] = {
            "name": order.label,
            "imageName": order.image or IMAGE,
            "computeType": "GPU",
            "gpuTypeIds": [launch["gpu_type_id"]],
            "gpuCount": launch["gpu_count"],
            "cloudType": launch["cloud_type"],
            "interruptible": False,
            "supportPublicIp": True,
            "containerDiskInGb": order.disk_gb or DISK_GB,
            "volumeInGb": 0,
            "ports": ["22/tcp", "8888/http"],
            "env": {
                **order.env,
                "PUBLIC_KEY": order.ssh_public_key.strip(),
                "JUPYTER_PASSWORD": self._new_password(),
            },
        }
        if launch.get("data_center"):
            body["dataCenterIds"] = [launch["data_center"]]
        if order.start_script:
            # The image's own start (sshd, Jupyter) goes on after the caller's script was sent off.
            ending = "if [ -x /start.sh ]; then exec /start.sh; else exec sleep infinity; fi"
            body["dockerStartCmd"] = ["bash", "-c", f"(\n{order.start_script}\n) &\n{ending}"]
        answer = self._http.send("POST", "/v1/pods", body=body)
        if not answer.ok:
            raise _refused(answer)
        return _instance(answer.json())

    def find(self, label: str) -> list[Instance]:
        return [instance for instance in self.list() if instance.label == label]

    def get(self, instance_id: str) -> Instance | None:
        if not _possible(instance_id):
            return None
        answer = self._http.send("GET", f"/v1/pods/{instance_id}")
        if answer.status == 404:
            return None
        if not answer.ok:
            raise _refused(answer)
        return _instance(answer.json())

    def end(self, instance_id: str) -> None:
        if not _possible(instance_id):
            return
        answer = self._http.send("DELETE", f"/v1/pods/{instance_id}")
        if answer.status != 404 and not answer.ok:
            raise _refused(answer)

    def list(self) -> list[Instance]:
        rows = self._http.read("GET", "/v1/pods")
        if not isinstance(rows, list):
            raise errors.UnknownAnswer(SLUG, "no list of pods")
        found = [_instance(row) for row in rows]
        return [instance for instance in found if instance.status is not InstanceStatus.ENDED]


def _possible(instance_id: str) -> bool:
    """Whether it can be an id here; anything else never becomes part of a path."""
    return instance_id.isascii() and instance_id.isalnum()


def _refused(answer: Answer) -> errors.ProviderError:
    words = answer.words()
    # Capacity is refused with 400 and with 500, so the words are read first.
    if answer.status not in (401, 403, 429):
        if any(phrase in words for phrase in _NO_CAPACITY):
            return errors.NoCapacity(SLUG, "no such GPU is free")
        if answer.status < 500 and any(phrase in words for phrase in _QUOTA):
            return errors.QuotaExceeded(SLUG, "the account's balance or limit does not allow it")
    return answer.refusal()


@reading(SLUG)
def _instance(row: Any) -> Instance:
    if not isinstance(row, Mapping) or not row.get("id"):
        raise errors.UnknownAnswer(SLUG, "a pod without an id")
    native = str(row.get("desiredStatus") or "CREATED")
    address, port = row.get("publicIp") or None, (row.get("portMappings") or {}).get("22")
    password = (row.get("env") or {}).get("JUPYTER_PASSWORD") if isinstance(row.get("env"), Mapping) else None
    status = {
        "RUNNING": InstanceStatus.RUNNING if address and port else InstanceStatus.PENDING,
        "EXITED": InstanceStatus.FAILED,
        "TERMINATED": InstanceStatus.ENDED,
    }.get(native, InstanceStatus.PENDING)
    running = status is InstanceStatus.RUNNING
    return Instance(
        instance_id=str(row["id"]),
        label=row.get("name"),
        status=status,
        native_status=native,
        ssh_host=str(address) if address else None,
        ssh_port=int(port) if port else None,
        ssh_user="root",
        jupyter_url=f"https://{row['id']}-8888.proxy.runpod.net/?token={password}" if running and password else None,
        price_micros_per_hour=micros_of(SLUG, row.get("costPerHr")),
    )
