"""DynamoDB tables: what the template says of expiry and recovery holds, and an item that expires says so.

AWS: TimeToLiveSpecification and PointInTimeRecoverySpecification are properties of AWS::DynamoDB::Table; a deletion by
time to live appears in the stream as a REMOVE with `userIdentity` `{"type": "Service", "principalId":
"dynamodb.amazonaws.com"}` (DynamoDB developer guide, "DynamoDB Streams and Time to Live"). AWS takes hours to days over
it; here it is ENGINE_TTL_SECONDS (10), so nothing may rely on when. The stock engine ignores the properties and deletes
without a word.
"""

import contextvars
import os
import threading
import time
from typing import Any

from ministack import app
from ministack.core.responses import request_scope
from ministack.services import dynamodb
from ministack.services.cloudformation import provisioners

from infra.local.engine.patching import original, replaces, replaces_handler

_TABLE = "AWS::DynamoDB::Table"
_expiring: contextvars.ContextVar[bool] = contextvars.ContextVar("expiring", default=False)


def expire(now: float) -> None:
    """Delete every item whose time is up, each with its stream record. Runs on the engine's event loop, as all writes
    do."""
    for (account, region, name), setting in list(dynamodb._ttl_settings.all_items()):
        table = dynamodb._tables.get_scoped(account, region, name)
        if not table or setting.get("TimeToLiveStatus") != "ENABLED":
            continue
        attribute = setting["AttributeName"]
        with request_scope(account, region):
            for partition, items in list(table["items"].items()):
                for sort, item in list(items.items()):
                    if _is_over(item.get(attribute), now) and dynamodb._remove_item(table, partition, sort):
                        token = _expiring.set(True)
                        dynamodb._emit_stream_event(name, "REMOVE", item, None)
                        _expiring.reset(token)


def _is_over(value: Any, now: float) -> bool:
    """Only a number is a time; one more than five years ago is none either."""
    if not isinstance(value, dict) or "N" not in value:
        return False
    return now - 5 * 365 * 86_400 < float(value["N"]) <= now


def _sweep(seconds: float) -> None:
    while True:
        time.sleep(seconds)
        if app._MAIN_LOOP is not None and not app._MAIN_LOOP.is_closed():
            app._MAIN_LOOP.call_soon_threadsafe(expire, time.time())


def _settle(name: str, props: dict[str, Any]) -> None:
    """What the engine's own handlers leave out of a table's properties."""
    recovery = props.get("PointInTimeRecoverySpecification") or {}
    dynamodb._pitr_settings[name] = str(recovery.get("PointInTimeRecoveryEnabled")).lower() == "true"
    if ttl := props.get("TimeToLiveSpecification"):
        enabled = str(ttl.get("Enabled")).lower() == "true"
        setting = {"AttributeName": ttl.get("AttributeName", ""), "Enabled": enabled}
        dynamodb._update_ttl({"TableName": name, "TimeToLiveSpecification": setting})
    else:
        dynamodb._ttl_settings.pop(name, None)


def apply() -> None:
    create = original(provisioners, "_ddb_create")
    update = original(provisioners, "_ddb_update")
    remove = original(dynamodb, "_remove_item")
    build = original(dynamodb, "_build_change_record")
    seconds = float(os.environ.get("ENGINE_TTL_SECONDS", "10"))
    threading.Thread(target=_sweep, args=(seconds,), daemon=True, name="engine-ttl").start()

    @replaces_handler(_TABLE, "create")
    @replaces(provisioners)
    def _ddb_create(logical_id: str, props: dict[str, Any], stack_name: str) -> Any:
        name, attributes = create(logical_id, props, stack_name)
        _settle(name, props)
        return name, attributes

    @replaces_handler(_TABLE, "update")
    @replaces(provisioners)
    def _ddb_update(physical_id: str, old_props: dict[str, Any], new_props: dict[str, Any], *rest: Any) -> Any:
        name, attributes = update(physical_id, old_props, new_props, *rest)
        _settle(name, new_props)
        return name, attributes

    @replaces(dynamodb)
    def _remove_item(table: dict[str, Any], pk_val: Any, sk_val: Any) -> Any:
        if threading.current_thread().name == "dynamodb-ttl-reaper":
            return None  # the engine's own sweep: it leaves no stream record, ours does
        return remove(table, pk_val, sk_val)

    @replaces(dynamodb)
    def _build_change_record(*args: Any) -> dict[str, Any]:
        record: dict[str, Any] = build(*args)
        if _expiring.get():
            record["userIdentity"] = {"type": "Service", "principalId": "dynamodb.amazonaws.com"}
        return record
