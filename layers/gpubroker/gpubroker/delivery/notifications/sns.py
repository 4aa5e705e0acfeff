"""Push through Amazon SNS: a topic a user, named after the user; devices are its https subscriptions, which SNS asks to
confirm before it sends them anything (so nobody can have somebody else's server called)."""

import os
from functools import cache
from typing import Any

import orjson

from gpubroker.delivery.notifications.ports import Push

_LONGEST_SUBJECT = 100


class Sns:
    """Push on SNS. `topics` is the beginning of the topics' ARNs, to which the user's id is added."""

    def __init__(self, client: Any, topics: str) -> None:
        self._client, self._topics = client, topics

    def publish(self, user_id: str, title: str, text: str, payload: dict[str, object]) -> str | None:
        subject = title.encode("ascii", "replace").decode()[:_LONGEST_SUBJECT]
        try:
            answer = self._client.publish(
                TopicArn=self._topic(user_id), Subject=subject, Message=orjson.dumps(payload).decode()
            )
        except self._client.exceptions.NotFoundException:
            return None
        message_id: str = answer["MessageId"]
        return message_id

    def subscribe(self, user_id: str, endpoint: str) -> str:
        self._client.create_topic(Name=self._topic(user_id).rpartition(":")[2])
        answer = self._client.subscribe(
            TopicArn=self._topic(user_id), Protocol="https", Endpoint=endpoint, ReturnSubscriptionArn=True
        )
        subscription: str = answer["SubscriptionArn"]
        return subscription

    def unsubscribe(self, subscription: str) -> None:
        known = self._client.exceptions
        try:
            self._client.unsubscribe(SubscriptionArn=subscription)
        except known.NotFoundException:
            return  # ended by its owner meanwhile
        except known.InvalidParameterException:
            return  # never confirmed: it ends by itself within two days, and is sent nothing

    def _topic(self, user_id: str) -> str:
        return self._topics + user_id


@cache
def sns() -> Push:
    """This process's way out, from PUSH_TOPICS_ARN."""
    import boto3

    return Sns(boto3.client("sns"), os.environ["PUSH_TOPICS_ARN"])
