"""Packaging: what `sam package` would do, without changing a file of the working tree."""

import io
import json
import zipfile
from pathlib import Path

import pytest

from infra.local import cfn_yaml, packaging
from infra.local.packaging import Packager
from infra.local.trouble import Trouble

ROOT = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Layer:
    Type: AWS::Serverless::LayerVersion
    Properties: {ContentUri: layers/thing}
  Child:
    Type: AWS::Serverless::Application
    Properties: {Location: infra/child.yaml, Parameters: {Name: !Sub "${AWS::StackName}-x"}}
"""
CHILD = """
Globals:
  Function: {CodeUri: ../functions/}
Resources:
  Get:
    Type: AWS::Serverless::Function
    Properties: {Handler: things.get.handler}
  Flow:
    Type: AWS::Serverless::StateMachine
    Properties: {DefinitionUri: ../statemachines/flow.asl.yaml}
"""


class Bucket(dict):
    """Stores objects as a bucket would, and counts the writes."""

    def put(self, key: str, body: bytes) -> None:
        self[key] = body

    def at(self, url: str) -> bytes:
        return self[url.rsplit("/", 1)[1]]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    files = {
        "template.yaml": ROOT,
        "infra/child.yaml": CHILD,
        "functions/things/__init__.py": "",
        "functions/things/get.py": "def handler(event, context): return 1\n",
        "functions/things/__pycache__/old.pyc": "stale",
        "layers/thing/Makefile": "build:\n",
        "layers/thing/thing/__init__.py": "NAME = 'thing'\n",
        "statemachines/flow.asl.yaml": "StartAt: End\nStates:\n  End: {Type: Succeed}\n",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def package(tree: Path) -> tuple[Bucket, dict]:
    bucket = Bucket()
    url = Packager("artifacts", "http://engine", bucket.put).template(tree / "template.yaml")
    assert url.startswith("http://engine/artifacts/")
    return bucket, json.loads(bucket.at(url))


def test_every_local_path_becomes_an_object(tree):
    bucket, root = package(tree)
    child = json.loads(bucket.at(root["Resources"]["Child"]["Properties"]["Location"]))
    functions = zipfile.ZipFile(io.BytesIO(bucket.at(child["Globals"]["Function"]["CodeUri"])))
    assert "things/get.py" in functions.namelist()
    assert not any("old" in name for name in functions.namelist())
    layer = zipfile.ZipFile(io.BytesIO(bucket.at(root["Resources"]["Layer"]["Properties"]["ContentUri"])))
    assert "python/thing/__init__.py" in layer.namelist()
    flow = json.loads(bucket.at(child["Resources"]["Flow"]["Properties"]["DefinitionUri"]))
    assert flow == {"StartAt": "End", "States": {"End": {"Type": "Succeed"}}}


def test_compiled_modules_travel_with_the_sources(tree):
    bucket, root = package(tree)
    layer = zipfile.ZipFile(io.BytesIO(bucket.at(root["Resources"]["Layer"]["Properties"]["ContentUri"])))
    compiled = next(name for name in layer.namelist() if name.endswith(".pyc"))
    assert compiled.startswith("python/thing/__pycache__/__init__.cpython-")
    assert layer.read(compiled)[4:8] == b"\x01\x00\x00\x00", "hash-based and unchecked: no stat of the source at import"


def test_unchanged_sources_give_the_same_template(tree):
    first, second = package(tree), package(tree)
    assert first == second


def test_sources_keep_their_name_when_they_compile_to_other_bytes(tree, monkeypatch):
    compiled, runs = packaging._compiled, 0

    def otherwise(*args):
        name, body = compiled(*args)
        return name, body + bytes([runs])

    monkeypatch.setattr(packaging, "_compiled", otherwise)
    first, root = package(tree)
    runs = 1
    second, same_root = package(tree)
    assert first.keys() == second.keys()
    assert root == same_root
    archives = [key for key in first if key.endswith(".zip")]
    assert len(archives) == 2
    assert all(first[key] != second[key] for key in archives), "they did compile to other bytes"


@pytest.mark.parametrize(
    "change",
    [
        lambda code: (code / "get.py").write_text("def handler(event, context): return 2\n"),
        lambda code: (code / "get.py").rename(code / "got.py"),
        lambda code: (code / "put.py").write_text(""),
        lambda code: (code / "__init__.py").unlink(),
    ],
    ids=["changed", "renamed", "added", "removed"],
)
def test_other_sources_have_another_name(tree, change):
    before = packaging.sources(tree / "functions", "")
    change(tree / "functions/things")
    assert packaging.sources(tree / "functions", "") != before


def test_what_is_skipped_has_no_part_in_the_name(tree):
    before = packaging.sources(tree / "functions", "")
    (tree / "functions/things/__pycache__/old.pyc").write_text("older")
    assert packaging.sources(tree / "functions", "") == before


def test_a_changed_source_changes_the_code_and_nothing_else(tree):
    before, root_before = package(tree)
    (tree / "layers/thing/thing/__init__.py").write_text("NAME = 'other'\n")
    after, root_after = package(tree)
    assert root_before["Resources"]["Child"] == root_after["Resources"]["Child"]
    assert root_before["Resources"]["Layer"] != root_after["Resources"]["Layer"]
    assert len(before.keys() & after.keys()) == len(before) - 2, "the layer and the root"


def test_the_working_tree_is_left_as_it_is(tree):
    before = {path: path.read_bytes() for path in tree.rglob("*") if path.is_file()}
    package(tree)
    assert {path: path.read_bytes() for path in tree.rglob("*") if path.is_file()} == before


def test_a_path_that_does_not_exist_is_named(tree):
    (tree / "statemachines/flow.asl.yaml").unlink()
    with pytest.raises(Trouble, match=r"child.yaml: Flow names .*flow.asl.yaml, which does not exist"):
        package(tree)


def test_code_that_does_not_compile_is_named(tree):
    (tree / "functions/things/get.py").write_text("def handler(:\n")
    with pytest.raises(Trouble, match=r"things/get.py does not compile"):
        package(tree)


def test_short_forms_of_intrinsic_functions_become_their_long_ones(tmp_path):
    path = tmp_path / "t.yaml"
    path.write_text('A: !Ref X\nB: !GetAtt X.Y.Z\nC: !If [Cloud, !Sub "${A}", !Ref AWS::NoValue]\nD: 2010-09-09\n')
    assert cfn_yaml.load(path) == {
        "A": {"Ref": "X"},
        "B": {"Fn::GetAtt": ["X", "Y.Z"]},
        "C": {"Fn::If": ["Cloud", {"Fn::Sub": "${A}"}, {"Ref": "AWS::NoValue"}]},
        "D": "2010-09-09",
    }
