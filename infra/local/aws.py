"""boto3 clients for the local engine, with made-up credentials: never the developer's own account."""

from __future__ import annotations

from typing import Any

import boto3
from botocore.config import Config

REGION = "us-east-1"
# No retries: a local engine that does not answer should say so at once.
_NO_RETRIES = {"total_max_attempts": 1}
_CONFIG = Config(retries=_NO_RETRIES, connect_timeout=5, read_timeout=120, s3={"addressing_style": "path"})


def client(service: str, endpoint_url: str) -> Any:
    """A client of one service at the engine."""
    session = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name=REGION)  # noqa: S106
    return session.client(service, endpoint_url=endpoint_url, config=_CONFIG)


def variables(endpoint_url: str) -> dict[str, str]:
    """The same for a child process: what `aws`, boto3 and pynamodb read from the environment."""
    return {
        "AWS_ENDPOINT_URL": endpoint_url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
