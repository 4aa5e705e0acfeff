"""Which action and resource a call is authorised on, where the stock engine knows only `*` (matters with AUTH=true).

AWS (Service Authorization Reference): states:SendTaskSuccess, SendTaskFailure and SendTaskHeartbeat are authorised on
the state machine whose execution waits for the token; ses:SendEmail on the identity that sends, the address where it
is verified itself, else its domain, with the condition key ses:FromAddress. The batch calls of SQS have no actions of
their own: SendMessageBatch is sqs:SendMessage, and so on.
"""

import json
from email.utils import parseaddr
from typing import Any

import ministack.app
from ministack.core import iam_actions
from ministack.core.responses import get_account_id
from ministack.services import ses, stepfunctions

from infra.local.engine.patching import original, replaces


def apply() -> None:
    stock_resource = original(iam_actions, "extract_resource_arn")
    stock_action = original(iam_actions, "extract_iam_action")
    stock_ses = original(ministack.app, "_enforce_ses_v2")

    @replaces(iam_actions)
    def extract_iam_action(
        service: str, method: str, path: str, headers: dict[str, str], body: bytes, query_params: dict[str, Any]
    ) -> str | None:
        action: str | None = stock_action(service, method, path, headers, body, query_params)
        return action.removesuffix("Batch") if action and action.startswith("sqs:") else action

    @replaces(iam_actions)
    def extract_resource_arn(
        service: str, method: str, path: str, headers: dict[str, str], body: bytes,
        query_params: dict[str, Any], region: str, account_id: str,
    ) -> str:  # fmt: skip
        if service == "states" and (token := iam_actions._safe_json_field(body, "taskToken")):
            task = stepfunctions._task_tokens.get(token) or {}
            return str(task.get("state_machine", "*"))
        return str(stock_resource(service, method, path, headers, body, query_params, region, account_id))

    @replaces(ministack.app)
    def _enforce_ses_v2(
        method: str, path: str, headers: dict[str, str], body: bytes, query_params: dict[str, Any], request_id: str
    ) -> Any:
        if method != "POST" or not path.rstrip("/").endswith("/outbound-emails"):
            return stock_ses(method, path, headers, body, query_params, request_id)
        sender = parseaddr(json.loads(body or b"{}").get("FromEmailAddress", ""))[1]
        identity = sender if sender in ses._identities else sender.rpartition("@")[2]
        region = ministack.app.extract_region(headers, query_params)
        arn = f"arn:aws:ses:{region}:{get_account_id()}:identity/{identity}"
        return ministack.app._enforce_data_plane(
            "sesv2", "ses:SendEmail", headers, query_params, request_id,
            resource_arn=arn, named_resource=arn, service_context={"ses:FromAddress": sender},
        )  # fmt: skip
