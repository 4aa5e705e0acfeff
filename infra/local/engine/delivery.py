"""Hand a message to another service inside the engine: what on-failure destinations and dead-letter queues need."""

import logging

from ministack.core.arn import ArnParseError, parse_arn
from ministack.core.responses import request_scope
from ministack.services import sns, sqs

logger = logging.getLogger("engine.delivery")


def deliver(target_arn: str, body: str, attributes: dict[str, str] | None = None) -> None:
    """Send `body` to an SQS queue or an SNS topic. A target that is not there is logged, as AWS counts it in a metric
    (DestinationDeliveryFailures, DeadLetterErrors) and goes on."""
    typed = {name: {"DataType": "String", "StringValue": value} for name, value in (attributes or {}).items()}
    try:
        target = parse_arn(target_arn)
        if target.service == "sqs" and sqs._queue_by_arn(target_arn):
            with request_scope(target.account_id, target.region):
                sqs._act_send_message({"MessageBody": body, "MessageAttributes": typed}, target.resource)
                return
        if target.service == "sns" and sns.publish_internal(target_arn, body, message_attributes=typed):
            return
    except (ArnParseError, sqs._Err, sns.SnsPublishError) as problem:
        logger.error("cannot deliver to %s: %s", target_arn, problem)
        return
    logger.error("cannot deliver to %s: no such queue or topic", target_arn)
