"""What the engine reads from its environment, decided in one place. Must be set before the engine is imported."""

import os
from collections.abc import Mapping
from pathlib import Path

ACCOUNT = "000000000000"
REGION = "us-east-1"

# Says to which local cloud a process belongs, so that `make down` finds those whose parent is gone.
MARKER = "GPUBROKER_LOCAL_CLOUD"

# The only variables of the caller's environment that the engine may see: a developer's own AWS profile or endpoint must
# not leak into it or into the Lambdas that it starts.
_INHERITED = (
    MARKER, "HTTPS_PROXY", "SSL_CERT_FILE",
    "PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ", "VIRTUAL_ENV", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE",
    "AUTH", "LOG_LEVEL", "SFN_WAIT_SCALE", "LAMBDA_ACCOUNT_CONCURRENCY", "LAMBDA_WARM_TTL_SECONDS",
    "LAMBDA_ASYNC_RETRY_BASE_SECONDS", "MINISTACK_WORKER_THREADS",
    "ENGINE_SAVE_SECONDS", "ENGINE_PRELOAD", "ENGINE_TTL_SECONDS",
)  # fmt: skip


def environment(port: int, data: Path, inherited: Mapping[str, str]) -> dict[str, str]:
    """The complete environment of an engine that listens on `port` and keeps everything under `data`."""
    kept = {name: inherited[name] for name in _INHERITED if name in inherited}
    return {
        "LOG_LEVEL": "WARNING",
        "LAMBDA_WARM_TTL_SECONDS": "60",
        **kept,
        "GATEWAY_PORT": str(port),
        "BIND_HOST": "127.0.0.1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_EC2_METADATA_DISABLED": "true",
        "MINISTACK_ACCOUNT_ID": ACCOUNT,
        "MINISTACK_REGION": REGION,
        # Listeners and daemons that the project does not use.
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "DOCKER_HOST": "unix:///nonexistent.sock",
        # State: in files under `data`, read back at the next start.
        "PERSIST_STATE": "1",
        "STATE_DIR": str(data / "state"),
        "S3_PERSIST": "1",
        "S3_DATA_DIR": str(data / "s3"),
        "TMPDIR": str(data / "tmp"),
    }


def adopt(environment_: Mapping[str, str]) -> None:
    """Make `environment_` this process's whole environment."""
    os.environ.clear()
    os.environ.update(environment_)
