"""From the bus: the mail that a fact asks for."""

from typing import Any

from gpubroker.identity.signing import signing_keys
from gpubroker.identity.use_cases import mailing
from gpubroker.kernel.time import utc_now
from gpubroker.messaging.mail import ses
from gpubroker.messaging.tasks import task


def send_mail(event: dict[str, Any]) -> dict[str, str]:
    return mailing.send_mail(event, outbound=ses(), keys=signing_keys(), now=utc_now())


handler = task(send_mail)
