"""A handler cannot tell a forked environment from a fresh interpreter (zygote.py, worker.py, unpacked.py)."""

import re

import pytest

from infra.local.engine.zygote import Zygote

from .conftest import Engine, eventually, quickest, zipped

LAYER = {
    "python/pricing/__init__.py": "import os\nAT_IMPORT = os.environ.get('REGION_OF_PRICES')\n",
    "python/pricing/tables.py": "RATES = {}\n",
}

FUNCTION = {
    "redis.py": "WHO = 'the one in the package of the function'\n",  # preloaded libraries must not win over it
    "market/__init__.py": "",
    "market/state.py": "COUNTER = []\n",
    "market/probe.py": """
import json, logging, os, signal, sys, threading

import boto3, pydantic, pynamodb.models, redis
import aws_lambda_powertools
import pricing
from market import state
from pricing import tables

LOADED_WITH = dict(os.environ)

class Price(pydantic.BaseModel):
    amount: int

def handler(event, context):
    state.COUNTER.append(1)
    tables.RATES[context.function_name] = 1
    logging.getLogger("probe").warning("seen")
    region = boto3.client("dynamodb").meta
    return {
        "environment": {k: v for k, v in os.environ.items()},
        "environment_at_import": LOADED_WITH,
        "path": sys.path, "argv": sys.argv, "cwd": os.getcwd(),
        "files": [sys.modules[name].__file__ for name in ("market.probe", "pricing", "redis", "boto3", "pydantic")],
        "redis": redis.WHO, "pricing": pricing.AT_IMPORT,
        "counter": len(state.COUNTER), "rates": sorted(tables.RATES),
        "price": Price.model_validate_json('{"amount": 3}').amount,
        "client": [region.endpoint_url, region.region_name],
        "service": aws_lambda_powertools.Logger().service,
        "threads": threading.active_count(), "umask": os.umask(0o22),
        "signals": [str(signal.getsignal(n)) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD, signal.SIGPIPE)],
        "handlers": [type(h).__name__ for h in logging.getLogger().handlers],
        "level": logging.getLogger().level,
        "descriptors": sorted(os.listdir("/proc/self/fd")),
        "context": [context.function_name, context.memory_limit_in_mb, context.function_version],
        "project_on_path": [p for p in sys.path if p.rstrip("/").endswith(("engine", "main"))],
    }
""",
}


@pytest.fixture(scope="session")
def fresh(tmp_path_factory):
    """An engine whose workers have imported nothing beforehand."""
    running = Engine(tmp_path_factory.mktemp("fresh"), ENGINE_PRELOAD="")
    yield running
    running.stop()


def make_probe(engine, name="probe", **variables):
    client = engine.client("lambda")
    layer = client.publish_layer_version(LayerName="pricing", Content={"ZipFile": zipped(LAYER)})["LayerVersionArn"]
    client.create_function(
        FunctionName=name, Runtime="python3.11", Role="arn:aws:iam::000000000000:role/test",
        Handler="market.probe.handler", Code={"ZipFile": zipped(FUNCTION)}, Layers=[layer], Timeout=10, MemorySize=256,
        Environment={"Variables": {"REGION_OF_PRICES": "eu", "POWERTOOLS_SERVICE_NAME": "market", **variables}},
    )  # fmt: skip
    return name


def neutral(value, engine):
    """Without what differs between any two engines."""
    if isinstance(value, dict):
        return {key: neutral(one, engine) for key, one in value.items() if key != "AWS_LAMBDA_LOG_STREAM_NAME"}
    if isinstance(value, list):
        return [neutral(one, engine) for one in value]
    if isinstance(value, str):
        return re.sub(r":\d{5}\b", ":PORT", value.replace(str(engine.data), "DATA"))
    return value


def test_a_handler_sees_the_same_in_a_fork_as_in_a_fresh_interpreter(engine, fresh):
    forked, _ = engine.invoke(make_probe(engine))
    alone, _ = fresh.invoke(make_probe(fresh))
    assert neutral(forked, engine) == neutral(alone, fresh)
    assert forked["redis"] == "the one in the package of the function"
    assert forked["pricing"] == "eu"
    assert forked["environment_at_import"]["_HANDLER"] == "market.probe.handler"
    assert forked["project_on_path"] == []
    assert forked["environment"]["AWS_ACCESS_KEY_ID"] == "000000000000"


def test_functions_with_the_same_layer_share_nothing_that_they_change(engine):
    one = make_probe(engine, "probe-one", REGION_OF_PRICES="us")
    two = make_probe(engine, "probe-two", REGION_OF_PRICES="ap")
    first, _ = engine.invoke(one)
    second, _ = engine.invoke(two)
    again, _ = engine.invoke(one)
    assert (first["pricing"], second["pricing"]) == ("us", "ap")
    assert (first["rates"], second["rates"]) == (["probe-one"], ["probe-two"])
    assert (first["counter"], second["counter"], again["counter"]) == (1, 1, 2)


def test_a_new_environment_takes_milliseconds_once_the_libraries_are_in(engine):
    source = "import boto3, pydantic, pynamodb.models, aws_lambda_powertools\nhandler = lambda event, context: 1"
    engine.invoke(engine.function(source))
    names = iter([engine.function(source) for _ in range(5)])
    # A fresh interpreter needs about a second for these imports.
    assert quickest(lambda: engine.invoke(next(names)), 5) < 0.2


def test_new_code_runs_in_new_environments(engine):
    name = engine.function("handler = lambda event, context: 'old'")
    assert engine.invoke(name)[0] == "old"
    engine.client("lambda").update_function_code(
        FunctionName=name, ZipFile=zipped({"app.py": "handler = lambda event, context: 'new'"})
    )
    assert engine.invoke(name)[0] == "new"


def test_new_settings_reach_the_function(engine):
    name = engine.function("import os\nhandler = lambda event, context: os.environ['LEVEL']",
                           Environment={"Variables": {"LEVEL": "1"}})  # fmt: skip
    assert engine.invoke(name)[0] == "1"
    engine.client("lambda").update_function_configuration(FunctionName=name, Environment={"Variables": {"LEVEL": "2"}})
    assert engine.invoke(name)[0] == "2"


def test_a_zygote_that_ends_takes_its_workers_along_and_starts_again_when_needed():
    zygote = Zygote((), (), ("DEPTH", "x-depth"))
    worker = zygote.fork()
    assert worker.poll() is None
    zygote.close()
    assert eventually(lambda: worker.poll() is not None)
    another = zygote.fork()
    assert another.poll() is None
    zygote.close()
    assert another.kill() == 0
