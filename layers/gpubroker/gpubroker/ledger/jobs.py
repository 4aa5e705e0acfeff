"""What the ledger's jobs tell: log lines, metrics, and errors that ring an alarm."""

from dataclasses import asdict
from typing import Any

from gpubroker.ledger.sweeps import Swept
from gpubroker.ledger.verification import Verdict
from gpubroker.messaging.log import logger


class HoldsNotReleased(Exception):
    """Some holds that are past their end could not be released. They stay due."""


class BooksWrong(Exception):
    """An account is not the sum of its entries, or debits are not credits. docs/ledger.md says what to do."""


def report_sweep(swept: Swept) -> dict[str, int]:
    """Count what a sweep released. Raises HoldsNotReleased where one failed: all others were done before."""
    if swept.released:
        _count("LedgerHoldsExpired", swept.released)
    if swept.errors:
        logger().error("holds not released", extra={"errors": dict(list(swept.errors.items())[:20])})
        raise HoldsNotReleased(f"{len(swept.errors)} holds, {next(iter(swept.errors))} among them")
    return {"released": swept.released}


def report_verdict(verdict: Verdict) -> dict[str, Any]:
    """The verdict as JSON, counted. Raises BooksWrong unless the books are right and wholly read."""
    told = asdict(verdict) | {"unbalanced": verdict.unbalanced}
    for name in ("settled_credits", "settled_debits", "unbalanced"):
        told[name] = str(told[name])  # more than a JSON reader's 53 bits
    told["differences"] = [{name: str(value) for name, value in one.items()} for one in told["differences"]]
    _count("LedgerDifferences", verdict.wrong + bool(verdict.unbalanced))
    _count("LedgerShardsUnread", verdict.unread)
    _count("LedgerPostingsVerified", verdict.postings)
    if not verdict.right:
        logger().error("the books are not right", extra={"verdict": told})
        raise BooksWrong(
            f"{verdict.wrong} differences, debits and credits {verdict.unbalanced} micro-dollars apart, "
            f"{verdict.unread} shards unread"
        )
    return told


def _count(name: str, value: int) -> None:
    from aws_lambda_powertools.metrics import MetricUnit, single_metric

    with single_metric(name=name, unit=MetricUnit.Count, value=value, namespace="gpubroker") as metric:
        metric.add_dimension(name="service", value="ledger")
