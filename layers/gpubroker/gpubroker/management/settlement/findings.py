"""What a sweep or a batch found and did: one log line when there was anything, and a metric for each kind."""

from dataclasses import dataclass, field

_QUIET = ("nothing", "left_alone")


@dataclass(slots=True)
class Findings:
    """Ids by what was done to them; the ids go to the log, the counts to the metrics."""

    done: dict[str, list[str]] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)

    def note(self, what: str, which: str) -> None:
        self.done.setdefault(what, []).append(which)

    def failed(self, which: str, error: Exception) -> None:
        """One thing's trouble; the others go on, and this one comes again."""
        self.note("failed", which)
        self.errors[which] = f"{type(error).__name__}: {error}"

    def counts(self) -> dict[str, int]:
        return {what: len(which) for what, which in self.done.items() if what not in _QUIET}


def report(findings: Findings) -> dict[str, int]:
    """Log and count. Metric names: `Settlement` and the kind (`SettlementStuck`, `SettlementFilesUnconfirmed`)."""
    counts = findings.counts()
    if not counts:
        return {}
    from aws_lambda_powertools.metrics import MetricUnit, single_metric

    from gpubroker.messaging.log import logger

    level = logger().error if findings.errors else logger().info
    level("settlements", extra={"done": findings.done, "errors": findings.errors})
    for what, count in counts.items():
        name = "Settlement" + what.title().replace("_", "")
        with single_metric(name=name, unit=MetricUnit.Count, value=count, namespace="gpubroker") as metric:
            metric.add_dimension(name="service", value="management")
    return counts
