"""Event source mappings of SQS queues: a partial answer that makes no sense fails the whole batch.

AWS (Lambda developer guide, "Implementing partial batch responses"): an empty or null itemIdentifier, a wrong key name
or an id that is not in the batch is a complete failure; the messages come again after the visibility timeout. The stock
engine takes such an answer for success and deletes every message. (Its visibility timeout, redrive to a dead-letter
queue and filters are right.)
"""

import time
from typing import Any

from ministack.services import lambda_svc, sqs

from infra.local.engine.batches import failed_items
from infra.local.engine.patching import replaces


def apply() -> None:
    @replaces(lambda_svc)
    def _run_sqs_batch(
        esm: dict[str, Any],
        func_rec: dict[str, Any],
        event: dict[str, Any],
        batch: list[dict[str, Any]],
        queue_url: str,
        queue_name: str,
    ) -> None:
        ids = {message["id"] for message in batch}
        result = lambda_svc._execute_function(func_rec, event)
        partial = "ReportBatchItemFailures" in (esm.get("FunctionResponseTypes") or [])
        failed = failed_items(result.get("body"), ids) if partial else set()
        if result.get("error") or failed is None:
            failed = ids
            words = result["body"] if isinstance(result.get("body"), dict) else {}
            lambda_svc.logger.warning("%s failed on %d messages of %s: %s: %s", esm["FunctionName"], len(batch),
                                      queue_name, words.get("errorType"), words.get("errorMessage"))  # fmt: skip
            lambda_svc._esm_backoff_until[esm["UUID"]] = time.time() + lambda_svc._ESM_BACKOFF_SECONDS
        else:
            lambda_svc._esm_backoff_until.pop(esm["UUID"], None)
        esm["LastProcessingResult"] = f"OK - {len(ids - failed)} records" if failed != ids else "FAILED"
        handles = {message["receipt_handle"] for message in batch if message["id"] not in failed}
        sqs._delete_messages_for_esm(queue_url, handles)
