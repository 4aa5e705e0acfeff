"""The layer as Lambda gets it: built by its Makefile, complete, compiled, small."""

import importlib.metadata
import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import build_layer
from infra import lock
from infra.rules.templates import ROOT, all_templates, functions

LAYER = ROOT / "layers" / "gpubroker"
HANDLERS = sorted({properties["Handler"] for path in all_templates() for properties in functions(path).values()})


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The layer's `python` folder and, beside it, the functions: what /opt and /var/task hold in Lambda."""
    home = tmp_path_factory.mktemp("artifacts")
    command = ["make", "--silent", "--makefile", str(LAYER / "Makefile"), "build-GpubrokerLayer"]
    command += [f"ARTIFACTS_DIR={home / 'opt'}", f"PYTHON={sys.executable}"]
    # SAM runs it in a scratch copy, so it must not depend on the folder it is run in.
    done = subprocess.run(command, cwd=home, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert re.search(r"layer: [\d.]+ MB", done.stdout)
    shutil.copytree(ROOT / "functions", home / "task", ignore=shutil.ignore_patterns("__pycache__"))
    return home


IMPORT_ALL = """
import importlib, json, sys
layer, task, handlers = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
standard = list(sys.path)
sys.path[:] = [task, layer, *standard]
sys.dont_write_bytecode = True
broken = {}
for handler in handlers:
    module, _, name = handler.rpartition(".")
    try:
        assert callable(getattr(importlib.import_module(module), name))
    except Exception as error:
        broken[handler] = repr(error)
files = {getattr(module, "__file__", None) or "" for module in list(sys.modules.values())}
strays = sorted(f for f in files if f and not f.startswith((layer, task, sys.base_prefix)) and "site-packages" in f)
money = sys.modules.get("gpubroker.kernel.money") or importlib.import_module("gpubroker.kernel.money")
print(json.dumps({"broken": broken, "strays": strays, "cached": money.__cached__}))
"""


@pytest.mark.slow
def test_every_handler_imports_from_the_built_artifacts_alone(built: Path) -> None:
    # -I -S: no site-packages, no environment, no working directory on the path.
    command = [sys.executable, "-I", "-S", "-c", IMPORT_ALL]
    command += [str(built / "opt" / "python"), str(built / "task"), json.dumps(HANDLERS)]
    done = subprocess.run(command, capture_output=True, text=True, env={}, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["broken"] == {}
    assert told["strays"] == []


@pytest.mark.slow
def test_every_module_of_the_layer_is_compiled_and_needs_no_look_at_its_source(built: Path) -> None:
    sources = list((built / "opt" / "python").rglob("*.py"))
    tag = sys.implementation.cache_tag
    missing = [s for s in sources if not (s.parent / "__pycache__" / f"{s.stem}.{tag}.pyc").is_file()]
    assert missing == []
    assert len(sources) > 1000
    for source in sources[:: len(sources) // 50]:
        compiled = (source.parent / "__pycache__" / f"{source.stem}.{tag}.pyc").read_bytes()
        assert int.from_bytes(compiled[4:8], "little") == 0b01, f"{source} is not unchecked-hash (PEP 552)"


@pytest.mark.slow
def test_the_layer_is_far_below_what_lambda_takes(built: Path) -> None:
    total = sum(path.stat().st_size for path in built.rglob("*") if path.is_file())
    assert total < 120_000_000


@pytest.mark.slow
def test_the_layer_has_the_package_and_no_tests_of_anybody(built: Path) -> None:
    python = built / "opt" / "python"
    assert (python / "gpubroker" / "console" / "static" / "home.html").is_file()
    assert [path for path in python.rglob("tests") if path.is_dir()] == []
    assert not (python / "infra").exists()


def _aws_clients_in_the_code() -> set[str]:
    """Services that any function makes a client of, by the name botocore's folders have."""
    sources = [*(LAYER / "gpubroker").rglob("*.py"), *(ROOT / "functions").rglob("*.py")]
    made = re.compile(r"""(?:client|resource|aws_client)\(\s*["']([a-z0-9-]+)["']""")
    return {name for source in sources for name in made.findall(source.read_text(encoding="utf-8"))}


def test_the_layer_keeps_the_model_of_every_service_that_the_code_calls() -> None:
    assert _aws_clients_in_the_code() <= build_layer.AWS_SERVICES


def test_the_layer_ships_the_versions_that_these_tests_run_with() -> None:
    pinned = dict(
        line.split("==")
        for line in lock.CONSTRAINTS.read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    )
    assert lock.closure().items() <= pinned.items(), "run `python -m infra.lock` and commit"


def test_every_runtime_dependency_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = {re.split(r"[<>=\[ ]", text)[0].lower().replace("_", "-") for text in project["dependencies"]}
    assert names <= set(lock.closure())
    assert importlib.metadata.version("gpubroker") == project["version"]
