"""Mail: what every context that writes to people sends, and the way out through Amazon SES."""

import os
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Mail:
    to: str
    subject: str
    text: str


class Outbound(Protocol):
    """Sends a mail and gives the carrier's id of it. Raises when the carrier refused; the fact is delivered again."""

    def send(self, mail: Mail) -> str: ...


class Ses:
    """Outbound on SES. `sender` must be an identity that SES has verified."""

    def __init__(self, client: Any, sender: str) -> None:
        self._client = client
        self._sender = sender

    def send(self, mail: Mail) -> str:
        answer = self._client.send_email(
            FromEmailAddress=self._sender,
            Destination={"ToAddresses": [mail.to]},
            Content={
                "Simple": {
                    "Subject": {"Data": mail.subject, "Charset": "UTF-8"},
                    "Body": {"Text": {"Data": mail.text, "Charset": "UTF-8"}},
                }
            },
        )
        message_id: str = answer["MessageId"]
        return message_id


@cache
def ses() -> Ses:
    """This process's way out, from MAIL_FROM."""
    import boto3

    return Ses(boto3.client("sesv2"), os.environ["MAIL_FROM"])
