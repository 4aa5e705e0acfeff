"""Deploying by change set: the same twice is nothing, a change is a change, a failure is one sentence."""

import json
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from infra.local import aws, ports
from infra.local.cloud import ROOT
from infra.local.deployer import Deployer
from infra.local.processes import Processes
from infra.local.trouble import Trouble

PARAMETERS = {"Environment": "local", "NotDeclared": "left out"}


@pytest.fixture(scope="module")
def endpoint_url(playground: Path) -> Iterator[str]:
    """A bare engine."""
    processes = Processes(playground / "bare")
    port = ports.choose(["engine"], {})["engine"]
    data = str(playground / "bare/engine")
    command = [sys.executable, "-m", "infra.local.engine", "--port", str(port), "--data", data]
    child = processes.start("engine", command, cwd=ROOT)
    url = f"http://127.0.0.1:{port}"

    def serves() -> bool:
        try:
            return httpx.get(f"{url}/_ministack/health").is_success
        except httpx.TransportError:
            return False

    processes.wait_until(child, serves, seconds=30)
    yield url
    processes.stop("engine")
    processes.sweep()


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """The tiny house, to be changed by the test."""
    shutil.copytree(Path(__file__).parent / "tiny", tmp_path / "tiny")
    return tmp_path / "tiny/template.yaml"


def greeting(endpoint_url: str, api_id: str) -> str:
    return str(httpx.get(f"{endpoint_url}/_aws/execute-api/{api_id}/$default/greetings/Ada").json()["greeting"])


def test_a_deployed_house_answers_and_deploying_it_again_changes_nothing(endpoint_url, house):
    deployer = Deployer(endpoint_url)
    first = deployer.deploy(house, "tiny", PARAMETERS)
    assert first.changed
    assert greeting(endpoint_url, first.nested["Greetings"]["ApiId"]) == "hello Ada"
    second = deployer.deploy(house, "tiny", PARAMETERS)
    assert not second.changed
    assert second.nested == first.nested


def test_a_changed_layer_is_an_update_that_keeps_the_apis_address(endpoint_url, house):
    deployer = Deployer(endpoint_url)
    first = deployer.deploy(house, "changing", PARAMETERS)
    (house.parent / "layers/greeter/greeter/__init__.py").write_text('GREETING = "good evening"\n')
    second = deployer.deploy(house, "changing", PARAMETERS)
    assert second.changed
    assert second.nested["Greetings"]["ApiId"] == first.nested["Greetings"]["ApiId"]
    assert greeting(endpoint_url, second.nested["Greetings"]["ApiId"]) == "good evening Ada"


def test_a_state_machine_written_in_yaml_runs(endpoint_url, house):
    deployment = Deployer(endpoint_url).deploy(house, "flowing", PARAMETERS)
    workflows = aws.client("stepfunctions", endpoint_url)
    machine = deployment.nested["Greetings"]["GreetArn"]
    execution = workflows.start_execution(stateMachineArn=machine, input='{"name": "Ada"}')["executionArn"]
    deadline = time.monotonic() + 10
    while (found := workflows.describe_execution(executionArn=execution))["status"] == "RUNNING":
        assert time.monotonic() < deadline
    assert found["status"] == "SUCCEEDED"
    assert json.loads(json.loads(found["output"])["body"]) == {"greeting": "hello Ada"}


def test_a_failed_deploy_names_the_resource_inside_the_nested_stack(endpoint_url, house):
    child = house.parent / "infra/greetings.yaml"
    child.write_text(child.read_text().replace("AWS::Serverless::HttpApi", "AWS::Nowhere::Thing"))
    with pytest.raises(Trouble, match=r"deploy of broken .*AWS::Nowhere::Thing"):
        Deployer(endpoint_url).deploy(house, "broken", PARAMETERS)


def test_a_house_whose_first_deploy_failed_deploys_once_it_is_mended(endpoint_url, house):
    deployer = Deployer(endpoint_url)
    child = house.parent / "infra/greetings.yaml"
    good = child.read_text()
    child.write_text(good.replace("AWS::Serverless::HttpApi", "AWS::Nowhere::Thing"))
    with pytest.raises(Trouble):
        deployer.deploy(house, "mended", PARAMETERS)
    child.write_text(good)
    assert greeting(endpoint_url, deployer.deploy(house, "mended", PARAMETERS).nested["Greetings"]["ApiId"])
