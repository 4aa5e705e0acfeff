"""Step: what all shards say together; metrics, and an error where the books are wrong."""

from typing import Any

from gpubroker.composition import books as composition
from gpubroker.ledger.jobs import report_verdict
from gpubroker.messaging.tasks import task


def conclude_verification(event: dict[str, Any]) -> dict[str, Any]:
    return report_verdict(composition.conclude_verification(event["reports"]))


handler = task(conclude_verification)
