"""For operators: `python -m infra.ledger verify [--stack gpubroker]` proves the books, `... account <id>` proves one
account, `... mend <id>` makes its sums what its entries and holds say.

Reads what the daily workflow reads, from here, and prints what is wrong; the exit code is 1 where something is.
Credentials and Region are those of boto3; AWS_ENDPOINT_URL points it at a local engine.
"""

import argparse
import os
import sys
from collections.abc import Sequence

from infra.redrive import outputs_of


def verify() -> bool:
    """Every shard of the register; whether the books are right."""
    from gpubroker.kernel.time import utc_now
    from gpubroker.ledger.items import REGISTER_SHARDS
    from gpubroker.ledger.verification import Report, conclude
    from gpubroker.ledger.verification import verify as go_on

    begun_at = utc_now()
    reports = []
    for shard in range(REGISTER_SHARDS):
        report = Report(shard)
        while not report.done:
            go_on(report, begun_at=begun_at)
        reports.append(report)
    verdict = conclude(reports, shards=REGISTER_SHARDS)
    sys.stdout.write(
        f"{verdict.accounts} accounts ({verdict.exact} stood still), {verdict.postings} postings; settled: "
        f"{verdict.settled_debits} debits, {verdict.settled_credits} credits\n"
    )
    for one in verdict.differences:
        sys.stdout.write(f"WRONG {one.account_id} {one.what}: kept {one.kept}, by its entries {one.folded}\n")
    if verdict.unbalanced:
        sys.stdout.write(f"WRONG debits and credits are {verdict.unbalanced} micro-dollars apart\n")
    sys.stdout.write("the books are right\n" if verdict.right else "the books are NOT right\n")
    return verdict.right


def account(account_id: str) -> bool:
    """One account (all shards of a house account): its sums, and whether they are those of its entries."""
    from gpubroker.composition.books import book
    from gpubroker.ledger.accounts import shards_of
    from gpubroker.ledger.problems import AccountNotFound
    from gpubroker.ledger.verification import differences_of

    try:
        found = book().account(account_id)
    except AccountNotFound as error:
        sys.stdout.write(f"{error}\n")
        return False
    sys.stdout.write(
        f"{found.account_id} {found.kind} {found.state}: posted {found.posted} (credits {found.credits}, debits "
        f"{found.debits}), held {found.held}, limit {found.credit_limit}, {found.postings} postings\n"
    )
    wrong = [one for shard in shards_of(account_id) for one in differences_of(shard)]
    for one in wrong:
        sys.stdout.write(f"WRONG {one.account_id} {one.what}: kept {one.kept}, by its entries {one.folded}\n")
    return not wrong


def mended(account_id: str) -> bool:
    """Whether one account (all shards of a house account) is right now."""
    from gpubroker.ledger.accounts import shards_of
    from gpubroker.ledger.verification import differences_of, mend

    for shard in shards_of(account_id):
        if differences_of(shard):
            for one in mend(shard):
                sys.stdout.write(f"{one.account_id} {one.what}: was {one.kept}, is {one.folded}\n")
    return account(account_id)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m infra.ledger", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--stack", default="gpubroker", help="root stack, to find the table by (default: gpubroker)")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("verify", help="prove all accounts")
    commands.add_parser("account", help="show and prove one account").add_argument("account_id")
    commands.add_parser("mend", help="make its sums what its entries and holds say").add_argument("account_id")
    given = parser.parse_args(arguments)
    if "LEDGER_TABLE" not in os.environ:
        os.environ["LEDGER_TABLE"] = outputs_of(given.stack)["LedgerTableName"]
    if given.command == "verify":
        right = verify()
    else:
        right = {"account": account, "mend": mended}[given.command](given.account_id)
    return 0 if right else 1


if __name__ == "__main__":
    raise SystemExit(main())
