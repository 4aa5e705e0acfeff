"""The few things that are done from outside the API: the first administrator, and a look at the local mailbox.

    python -m infra.admin create-admin --email root@example.com
    python -m infra.admin mails

`create-admin` asks for a password (or reads it with --password-stdin, or makes one with --generate-password), writes
the account to the IdentityTable and prints its user id. An address that has an account already is raised to
administrator and keeps its password. The account counts as verified. It is the only way to an administrator: no API
makes one. Credentials and Region are those of boto3; AWS_ENDPOINT_URL points it at a local engine. The table is
--table, else IDENTITY_TABLE, else the output IdentityTableName of the stack --stack (default: gpubroker).

Everything further goes over the API, in a few calls (docs/identity.md has the bodies):

    POST /api/v2/auth/login                          the administrator's access token
    POST /api/v2/auth/register, POST .../login       a user and a token of theirs
    PUT  /api/v2/admin/users/{user_id}/plan          their plan
    POST /api/v2/auth/api-keys                       their API key (shown once)
    POST /api/v2/auth/service-accounts               a service or an agent; its secret (shown once) is also an API key
    POST /api/v2/auth/service-token                  its long-lived token

`mails` prints what the local engine's SES was given, the newest last: verification and reset tokens are in there.
"""

import argparse
import getpass
import json
import os
import secrets
import sys
import urllib.request
from collections.abc import Sequence
from typing import Any


class Refused(Exception):
    """One sentence for the person at the terminal."""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m infra.admin", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    create = commands.add_parser("create-admin", help="make the first administrator, or raise a user to one")
    create.add_argument("--email", required=True)
    create.add_argument("--name", default=None, help="how the account is called")
    create.add_argument("--table", default=None, help="name of the IdentityTable")
    create.add_argument("--stack", default="gpubroker", help="root stack, to find the table by (default: gpubroker)")
    password = create.add_mutually_exclusive_group()
    password.add_argument("--password-stdin", action="store_true", help="read the password from standard input")
    password.add_argument("--generate-password", action="store_true", help="make one, and print it once")
    mails = commands.add_parser("mails", help="what the local engine's SES was given")
    mails.add_argument("--to", default=None, help="only mails to this address")
    given = parser.parse_args(arguments)
    try:
        return _create_admin(given) if given.command == "create-admin" else _mails(given)
    except Refused as refusal:
        sys.stderr.write(f"{refusal}\n")
        return 1


def _create_admin(given: argparse.Namespace) -> int:
    from gpubroker.identity.use_cases.administration import create_admin
    from gpubroker.kernel.errors import Problem
    from gpubroker.kernel.time import utc_now

    os.environ["IDENTITY_TABLE"] = _table(given)
    password = _password(given)
    try:
        user_id = create_admin(given.email, password, name=given.name, now=utc_now())
    except Problem as problem:
        raise Refused(problem.detail) from problem
    sys.stdout.write(f"{user_id}\n")
    if given.generate_password:
        sys.stdout.write(f"{password}\n")
    return 0


def _table(given: argparse.Namespace) -> str:
    if name := given.table or os.environ.get("IDENTITY_TABLE"):
        return str(name)
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        stacks = boto3.client("cloudformation").describe_stacks(StackName=given.stack)["Stacks"]
    except (BotoCoreError, ClientError) as error:
        raise Refused(f"The stack {given.stack} cannot be read ({error}); give --table or --stack.") from error
    for output in stacks[0].get("Outputs", []):
        if output["OutputKey"] == "IdentityTableName":
            return str(output["OutputValue"])
    raise Refused(f"The stack {given.stack} has no output IdentityTableName; give --table.")


def _password(given: argparse.Namespace) -> str:
    if given.generate_password:
        return secrets.token_urlsafe(18)
    if given.password_stdin:
        return sys.stdin.read().rstrip("\r\n")
    first = getpass.getpass("Password: ")
    if getpass.getpass("Again: ") != first:
        raise Refused("The two differ.")
    return first


def _mails(given: argparse.Namespace) -> int:
    for mail in _sent():
        if given.to is None or given.to in mail["To"]:
            sys.stdout.write(f"To: {', '.join(mail['To'])}\nSubject: {mail['Subject']}\n\n{mail['BodyText']}\n---\n")
    return 0


def _sent() -> list[dict[str, Any]]:
    endpoint = os.environ.get("AWS_ENDPOINT_URL")
    if not endpoint:
        raise Refused("AWS_ENDPOINT_URL is not set: only the local engine keeps what it sent.")
    with urllib.request.urlopen(f"{endpoint.rstrip('/')}/_ministack/ses/messages", timeout=10) as answer:  # noqa: S310
        accounts = json.load(answer)["messages"]
    return sorted((mail for mails in accounts.values() for mail in mails), key=lambda mail: str(mail["Timestamp"]))


if __name__ == "__main__":
    raise SystemExit(main())
