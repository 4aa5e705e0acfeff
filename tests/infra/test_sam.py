"""`sam build` and `sam deploy`, as docs/aws.md has them, with the local engine in the place of AWS."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import boto3
import httpx
import pytest

from infra.rules.linters import tool
from infra.rules.templates import ROOT

PATIENCE_SECONDS = 60
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
# Whatever Python this is, SAM builds for it: it wants the runtime's own to be there.
PARAMETERS = [
    "Environment=local",
    f"RuntimeVersion=python{PYTHON}",
    "RedisUrl=redis://127.0.0.1:6379/0",
]


def _sam(*arguments: str, endpoint: str | None = None) -> None:
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "LAYER_PYTHON": PYTHON,
        "PYTHON": sys.executable,
        "SAM_CLI_TELEMETRY": "0",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }
    environment.pop("AWS_PROFILE", None)
    if endpoint:
        environment["AWS_ENDPOINT_URL"] = endpoint
    command = [
        str(tool("sam")),
        *arguments,
        "--config-file",
        str(ROOT / "samconfig.toml"),
        "--config-env",
        "localstack",
        "--parameter-overrides",
        *PARAMETERS,
    ]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[str]:
    """An engine of its own on a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "infra.local.engine", "--port", str(port), "--data", str(tmp_path / "data")]
    with (tmp_path / "engine.log").open("w") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
    try:
        _await_port(process, port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


def _await_port(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, "the engine ended"
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise AssertionError("the engine does not listen")


@pytest.mark.slow
@pytest.mark.e2e
@pytest.mark.timeout(600)  # installs the SAM CLI the first time
def test_sam_build_and_sam_deploy_bring_up_the_whole_house(tmp_path: Path, engine: str) -> None:
    build = tmp_path / "build"
    _sam("build", "--build-dir", str(build), "--cache-dir", str(tmp_path / "cache"))
    layer = build / "Platform" / "GpubrokerLayer" / "python"
    assert (layer / "gpubroker" / "__pycache__").is_dir(), "the layer has lost its compiled modules"

    _sam("deploy", "--template-file", str(build / "template.yaml"), endpoint=engine)

    given = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
    stack = boto3.client("cloudformation", endpoint_url=engine, **given).describe_stacks(StackName="gpubroker")
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Stacks"][0]["Outputs"]}
    assert stack["Stacks"][0]["StackStatus"] == "CREATE_COMPLETE"
    pages = f"{engine}/_aws/execute-api/{outputs['ConsoleApiId']}/$default"
    with httpx.Client(trust_env=False, timeout=30) as client:
        assert client.get(f"{pages}/openapi.json").json()["openapi"] == "3.1.0"
        rentals = client.get(f"{engine}/_aws/execute-api/{outputs['RentalsApiId']}/$default/api/v2/rentals")
    assert rentals.status_code == 401
