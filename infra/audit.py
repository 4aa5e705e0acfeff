"""Whether the audit log is whole: `python -m infra.audit verify [--stack gpubroker] [--table ManagementTable]`.

Walks every chain from its first entry: hashes each entry anew, compares it with the entry after it, the last one with
the head, and all of them with the anchors that earlier verifications left. Prints the heads, and what is wrong where.
Writers need not stop. Exit status 0: whole; 1: not; 2: it could not be read. Credentials and Region are those of boto3;
AWS_ENDPOINT_URL points it at a local engine.
"""

import argparse
import os
import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m infra.audit", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    verify = commands.add_parser("verify", help="walk all chains from the beginning")
    verify.add_argument("--table", default=None, help="name of the ManagementTable")
    verify.add_argument("--stack", default="gpubroker", help="root stack, to find the table by (default: gpubroker)")
    given = parser.parse_args(arguments)
    table = given.table or os.environ.get("MANAGEMENT_TABLE") or _table_of(given.stack)
    if table is None:
        sys.stderr.write(f"The stack {given.stack} cannot be read, or has no ManagementTableName; give --table.\n")
        return 2
    return _verify(table)


def _verify(table: str) -> int:
    from pynamodb.exceptions import PynamoDBException

    from gpubroker.management.audit.log import AuditLog
    from gpubroker.management.audit.verify import verify

    os.environ["MANAGEMENT_TABLE"] = table
    try:
        report = verify(AuditLog())
    except PynamoDBException as error:
        sys.stderr.write(f"The table {table} cannot be read: {error}\n")
        return 2
    for head in report.heads:
        sys.stdout.write(f"chain {head.chain}: {head.sequence} entries, {head.hash}\n")
    for finding in report.findings:
        sys.stdout.write(f"NOT WHOLE: chain {finding.chain}, entry {finding.sequence}: {finding.what}\n")
    verdict = f"{len(report.findings)} findings" if report.findings else "whole"
    sys.stdout.write(f"{report.entries} entries in {len(report.heads)} chains: {verdict}\n")
    return 1 if report.findings else 0


def _table_of(stack: str) -> str | None:
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        (found,) = boto3.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
    except (BotoCoreError, ClientError):
        return None
    outputs = {output["OutputKey"]: str(output["OutputValue"]) for output in found.get("Outputs", [])}
    return outputs.get("ManagementTableName")


if __name__ == "__main__":
    raise SystemExit(main())
