"""Every night: whether the audit log is whole, since the last time it was looked at."""

from typing import Any

from gpubroker.composition import management as composition
from gpubroker.messaging.log import logger


class AuditLogBroken(Exception):
    """The alarm AuditLogNotWhole tells that this was raised; docs/management.md says what to do."""


def handler(event: dict[str, Any], context: Any) -> dict[str, int]:
    report = composition.audit_desk().verify()
    for finding in report.findings:
        where = {"chain": finding.chain, "sequence": finding.sequence}
        logger().error("audit log is not whole", extra={**where, "finding": finding.what})
    if report.findings:
        raise AuditLogBroken(f"{len(report.findings)} findings")
    # The heads in the log are a copy of the anchor in another place.
    heads = {str(head.chain): f"{head.sequence}:{head.hash}" for head in report.heads if head.sequence}
    logger().info("audit log is whole", extra={"entries": report.entries, "heads": heads})
    return {"entries": report.entries}
