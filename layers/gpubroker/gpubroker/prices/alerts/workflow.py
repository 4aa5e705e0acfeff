"""The workflow price_change_to_notifications as seen from here: its sizes, and how it is started."""

import os
from functools import cache
from typing import Any

import orjson

FEW = 40
"""Up to so many alerts travel in the workflow's input and are fired by an inline Map; more are pages in the table,
fired by a Distributed Map."""
FEW_PER_STEP = 10
MANY_PER_STEP = 100
"""Alerts of one call of the step that fires them: about 20 ms each."""


@cache
def _client() -> Any:
    import boto3

    return boto3.client("stepfunctions")


class Workflows:
    def start(self, name: str, wanted: dict[str, Any]) -> bool:
        """Start the workflow under a name, which is taken for 90 days; False when it was taken before."""
        client = _client()
        try:
            client.start_execution(
                stateMachineArn=os.environ["PRICE_CHANGE_TO_NOTIFICATIONS_STATE_MACHINE"],
                name=name,
                input=orjson.dumps(wanted).decode(),
            )
        except client.exceptions.ExecutionAlreadyExists:
            return False
        return True
