"""One patched engine process for all of these tests, spoken to through boto3 like the real thing."""

import contextlib
import http.client
import io
import json
import os
import subprocess
import sys
import textwrap
import time
import uuid
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

ROLE = "arn:aws:iam::000000000000:role/test"


def eventually(check: Callable[[], Any], *, within: float = 10.0) -> Any:
    """The first truthy answer of `check`; fails when there is none in time."""
    deadline = time.monotonic() + within
    while True:
        if found := check():
            return found
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.02)


def quickest(action: Callable[[], Any], tries: int) -> float:
    """Seconds that `action` takes when nothing else disturbs it: the least of several."""

    def once() -> float:
        started = time.perf_counter()
        action()
        return time.perf_counter() - started

    return min(once() for _ in range(tries))


class Engine:
    """A running engine process."""

    def __init__(self, data: Path, **environment: str) -> None:
        self.data = data
        self._environment = environment
        self._clients: dict[str, Any] = {}
        self.port = 0
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "infra.local.engine", "--port", str(self.port), "--data", str(self.data)],
            env={**os.environ, "LAMBDA_ASYNC_RETRY_BASE_SECONDS": "0.05", **self._environment},
        )
        announcement = self.data / "engine.json"
        eventually(lambda: self.process.poll() is not None or announcement.exists(), within=30)
        assert self.process.poll() is None, "the engine did not start"
        self.port = json.loads(announcement.read_text())["port"]
        self.url = f"http://127.0.0.1:{self.port}"

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(20)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(20)
        (self.data / "engine.json").unlink(missing_ok=True)

    def client(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = boto3.client(
                service,
                endpoint_url=self.url,
                region_name="us-east-1",
                aws_access_key_id="test",
                aws_secret_access_key="test",
                config=Config(retries={"max_attempts": 0}, read_timeout=30),
            )
        return self._clients[service]

    def function(self, source: str, *, handler: str = "app.handler", **settings: Any) -> str:
        """A new Lambda function of that source; its name."""
        name = settings.pop("name", f"f-{uuid.uuid4().hex[:8]}")
        self.client("lambda").create_function(
            FunctionName=name,
            Runtime="python3.11",
            Role=ROLE,
            Handler=handler,
            Code={"ZipFile": zipped({"app.py": textwrap.dedent(source)})},
            **{"Timeout": 5, **settings},
        )
        return name

    def invoke(self, name: str, event: Any = None) -> tuple[Any, str | None]:
        """(payload, function error) of a synchronous invocation."""
        answer = self.client("lambda").invoke(FunctionName=name, Payload=json.dumps(event))
        return json.loads(answer["Payload"].read()), answer.get("FunctionError")

    def deploy(self, template: str, **parameters: str) -> dict[str, str]:
        """Deploy a template as `sam deploy` does, with a change set; its outputs."""
        stack = parameters.pop("stack", f"s-{uuid.uuid4().hex[:8]}")
        cloudformation = self.client("cloudformation")
        known = [one["StackName"] for one in cloudformation.describe_stacks()["Stacks"]]
        change = cloudformation.create_change_set(
            StackName=stack,
            ChangeSetName=f"change-{uuid.uuid4().hex[:8]}",
            ChangeSetType="UPDATE" if stack in known else "CREATE",
            TemplateBody=textwrap.dedent(template),
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
        )
        cloudformation.get_waiter("change_set_create_complete").wait(
            ChangeSetName=change["Id"], WaiterConfig={"Delay": 0.1, "MaxAttempts": 100}
        )
        cloudformation.execute_change_set(ChangeSetName=change["Id"])

        def finished() -> Any:
            found = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
            return None if found["StackStatus"].endswith("IN_PROGRESS") else found

        found = eventually(finished, within=20)
        if found["StackStatus"] not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
            events = cloudformation.describe_stack_events(StackName=stack)["StackEvents"]
            raise AssertionError([event.get("ResourceStatusReason") for event in events])
        return {one["OutputKey"]: one["OutputValue"] for one in found.get("Outputs", [])}

    def upload(self, key: str, content: bytes) -> str:
        """Put an object where templates can refer to it; its key in the bucket `artifacts`."""
        s3 = self.client("s3")
        if "artifacts" not in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]:
            s3.create_bucket(Bucket="artifacts")
        s3.put_object(Bucket="artifacts", Key=key, Body=content)
        return key

    def request(
        self, path: str, *, method: str = "GET", body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        """(status, headers in lower case, body) of an HTTP request to the engine's port."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        with contextlib.closing(connection):
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, {key.lower(): value for key, value in answer.getheaders()}, answer.read()


def zipped(files: dict[str, str]) -> bytes:
    """A zip archive of these texts."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files.items():
            archive.writestr(zipfile.ZipInfo(name), text)  # without the time: the same texts, the same archive
    return buffer.getvalue()


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    running = Engine(tmp_path_factory.mktemp("engine"), ENGINE_TTL_SECONDS="0.2", ENGINE_SAVE_SECONDS="1")
    yield running
    running.stop()
