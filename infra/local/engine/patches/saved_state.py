"""State outlives the process: saved every ENGINE_SAVE_SECONDS (10) while anything happens, not only at a graceful stop.

AWS keeps what it has acknowledged. The stock engine writes its state when it is asked to stop, so a `kill -9` loses
all since; it never writes table streams, so that after a restart the consumers' saved positions point past the end and
new records are skipped; and it writes layers as text into its state, 80 MB of it for a usual one. Here a forked child
writes the state as it was at that moment while the engine goes on; table streams keep what has not been read; layers
lie beside the code of the functions, once.

What is lost is at most the last seconds before the kill. Workflows that were running end as failed, as with the stock
engine: the product's reconcilers are there for it.
"""

import asyncio
import contextlib
import copy
import logging
import os
import signal
import time
from typing import Any

from ministack import app
from ministack.core import persistence
from ministack.core.responses import AccountRegionScopedDict
from ministack.services import cloudwatch_logs, dynamodb, lambda_svc

from infra.local.engine.patches.bounded_memory import _unread_from
from infra.local.engine.patching import original, replaces

logger = logging.getLogger("engine.state")

_LONGEST_SAVE_SECONDS = 30
_LAYER_REF = "layer_blob_ref"

_requests = 0  # that may have changed something
_layer_blobs: dict[int, tuple[bytes, str]] = {}  # by identity: hashing 60 MB each time would take 50 ms


def _save_and_end() -> None:
    """In the forked child: let go of every connection, write, end."""
    try:
        os.closerange(3, 65_536)
        os.nice(10)
        persistence.save_all(app._build_persistence_save_dict())
    finally:
        os._exit(0)


class Saver:
    """Saves whenever something was asked of the engine since the last time. Lives on the engine's event loop, where no
    request is half done."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._child = 0
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Leave the state to whoever saves it last: a graceful stop."""
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        if self._child:
            os.kill(self._child, signal.SIGKILL)
            os.waitpid(self._child, 0)  # noqa: ASYNC222 - it is dead

    async def _run(self) -> None:
        saved = 0
        while True:
            await asyncio.sleep(self._seconds)
            if _requests != saved:
                saved = _requests
                self._child = os.fork()
                if self._child == 0:
                    _save_and_end()
                await self._reap()

    async def _reap(self) -> None:
        """Wait for the child. One that found a lock taken by a thread that it does not have would wait for ever."""
        ends = time.monotonic() + _LONGEST_SAVE_SECONDS
        while os.waitpid(self._child, os.WNOHANG) == (0, 0):  # noqa: ASYNC222 - does not wait
            if time.monotonic() > ends:
                logger.warning("a save of the state got stuck; the next one tries again")
                os.kill(self._child, signal.SIGKILL)
                ends = float("inf")
            await asyncio.sleep(0.05)
        self._child = 0


def _streams() -> dict[str, AccountRegionScopedDict]:
    """The records of each table that some mapping has yet to read, and how many were before them."""
    records, trimmed = AccountRegionScopedDict(), AccountRegionScopedDict()
    for (account, region, name), kept in dynamodb._stream_records.all_items():
        before = dynamodb._stream_trimmed.get_scoped(account, region, name, 0)
        table = dynamodb._tables.get_scoped(account, region, name) or {}
        first = max(before, min(_unread_from(table.get("LatestStreamArn", ""), before + len(kept)), before + len(kept)))
        records.set_scoped(account, region, name, copy.deepcopy(kept[first - before :]))
        trimmed.set_scoped(account, region, name, first)
    return {"stream_records": records, "stream_trimmed": trimmed}


def _blob_of(archive: bytes) -> str:
    known = _layer_blobs.get(id(archive))
    if not known or known[0] is not archive or not os.path.exists(_blob_path(known[1])):
        known = _layer_blobs[id(archive)] = (archive, lambda_svc._write_code_blob(archive))
    return known[1]


def _blob_path(sha: str) -> str:
    return os.path.join(lambda_svc.CODE_BLOB_DIR, f"{sha}.zip")


def apply() -> None:
    table_state = original(dynamodb, "get_state")
    restore_tables = original(dynamodb, "load_persisted_state")
    lambda_state = original(lambda_svc, "get_state")
    restore_lambda = original(lambda_svc, "load_persisted_state")
    prune = original(lambda_svc, "_prune_orphan_code_blobs")
    log_state = original(cloudwatch_logs, "get_state")
    dispatch = original(app, "_dispatch_service_request")

    @replaces(dynamodb)
    def get_state() -> dict[str, Any]:
        return {**table_state(), **_streams()}

    @replaces(dynamodb)
    def load_persisted_state(data: dict[str, Any]) -> None:
        restore_tables(data)
        dynamodb._stream_records.update(data.get("stream_records", {}))
        dynamodb._stream_trimmed.update(data.get("stream_trimmed", {}))

    @replaces(lambda_svc, name="get_state")
    def get_lambda_state() -> dict[str, Any]:
        state: dict[str, Any] = lambda_state()
        for layer in state["layers"]._data.values():
            for version in layer["versions"]:
                if isinstance(version.get("_zip_data"), bytes):
                    version["_zip_data"] = {_LAYER_REF: _blob_of(version["_zip_data"])}
        return state

    @replaces(lambda_svc)
    def _prune_orphan_code_blobs(referenced: set[str]) -> None:
        versions = (version for layer in lambda_svc._layers._data.values() for version in layer["versions"])
        prune(referenced | {_blob_of(one["_zip_data"]) for one in versions if isinstance(one.get("_zip_data"), bytes)})

    @replaces(lambda_svc, name="load_persisted_state")
    def load_lambda_state(data: dict[str, Any]) -> None:
        layers = data.get("layers")
        for layer in layers._data.values() if layers is not None else ():
            for version in layer["versions"]:
                if isinstance(version.get("_zip_data"), dict):
                    version["_zip_data"] = lambda_svc._read_code_blob(version["_zip_data"][_LAYER_REF])
        restore_lambda(data)

    @replaces(cloudwatch_logs, name="get_state")
    def get_log_state() -> dict[str, Any]:
        """The groups and what belongs to them, without their lines."""
        state: dict[str, Any] = log_state()
        for group in state["log_groups"]._data.values():
            group["streams"] = {}
        return state

    @replaces(app)
    async def _dispatch_service_request(*args: Any, **named: Any) -> Any:
        global _requests
        _requests += 1
        return await dispatch(*args, **named)
