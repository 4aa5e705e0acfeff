"""What `sam package` does, in a fraction of a second: local paths of a template become objects in a bucket.

The templates in the working tree are never changed; a packaged copy of each goes to the bucket beside the code.
Object keys are hashes of contents (of an archive: of the sources in it), so that packaging unchanged sources gives an
unchanged template, and deploying that is a no-op.
"""

from __future__ import annotations

import hashlib
import io
import json
import py_compile
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

from infra.local import cfn_yaml
from infra.local.trouble import Trouble

# Zip entries carry this time, whenever they were made. (1980 is the first year that zip knows.)
EPOCH = (1980, 1, 1, 0, 0, 0)
SKIPPED = {"__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache"}

Put = Callable[[str, bytes], None]


class Packager:
    """Packages a template tree into one bucket. `put(key, body)` stores an object that is not there yet."""

    def __init__(self, bucket: str, endpoint_url: str, put: Put) -> None:
        self._bucket = bucket
        self._endpoint_url = endpoint_url
        self._put = put
        self._uploaded: dict[Path, str] = {}

    def template(self, path: Path) -> str:
        """Package the template and everything it names; returns the URL of its packaged copy.

        Raises Trouble naming the template when it cannot be read or names a path that does not exist.
        """
        try:
            template = cfn_yaml.load(path)
        except (OSError, yaml.YAMLError) as error:
            raise Trouble(f"The template {path} cannot be read: {error}.", "Mend it and start again.") from error
        functions = template.get("Globals", {}).get("Function", {})
        if _is_local(functions.get("CodeUri")):
            functions["CodeUri"] = self._code(path, functions["CodeUri"])
        for name, resource in template.get("Resources", {}).items():
            try:
                self._resource(path, resource)
            except FileNotFoundError as error:
                raise Trouble(f"{path}: {name} names {error.filename}, which does not exist.", "Mend it.") from error
        body = json.dumps(template, separators=(",", ":")).encode()
        return f"{self._endpoint_url}/{self._bucket}/{self._store(body, f'{path.stem}.template')}"

    def _resource(self, template: Path, resource: dict[str, Any]) -> None:
        properties = resource.get("Properties", {})
        match resource.get("Type"):
            case "AWS::Serverless::Function" if _is_local(properties.get("CodeUri")):
                properties["CodeUri"] = self._code(template, properties["CodeUri"])
            case "AWS::Serverless::LayerVersion" if _is_local(properties.get("ContentUri")):
                properties["ContentUri"] = self._layer(template, properties["ContentUri"])
            case "AWS::Serverless::Application" if _is_local(properties.get("Location")):
                properties["Location"] = self.template((template.parent / properties["Location"]).resolve())
            case "AWS::CloudFormation::Stack" if _is_local(properties.get("TemplateURL")):
                properties["TemplateURL"] = self.template((template.parent / properties["TemplateURL"]).resolve())
            case "AWS::Serverless::StateMachine" if _is_local(properties.get("DefinitionUri")):
                properties["DefinitionUri"] = self._state_machine(template, properties["DefinitionUri"])

    def _code(self, template: Path, uri: str) -> str:
        return self._directory((template.parent / uri).resolve(), inside="")

    def _layer(self, template: Path, uri: str) -> str:
        # The engine's workers run this interpreter, where the package's dependencies are installed already:
        # only the package itself goes into the local layer. The full one is built by the layer's own Makefile.
        layer = (template.parent / uri).resolve()
        packages = [path.parent for path in layer.glob("*/__init__.py")]
        if not packages:
            raise FileNotFoundError(2, "no package in it", str(layer))
        return self._directory(packages[0], inside=f"python/{packages[0].name}/")

    def _directory(self, directory: Path, *, inside: str) -> str:
        if directory not in self._uploaded:
            if not directory.is_dir():
                raise FileNotFoundError(2, "no such directory", str(directory))
            self._uploaded[directory] = self._store(
                zipped(directory, inside=inside), "zip", of=sources(directory, inside)
            )
        return f"s3://{self._bucket}/{self._uploaded[directory]}"

    def _state_machine(self, template: Path, uri: str) -> str:
        # Step Functions takes JSON; the YAML of the sources is for people.
        definition = yaml.safe_load((template.parent / uri).read_text(encoding="utf-8"))
        return f"s3://{self._bucket}/{self._store(json.dumps(definition).encode(), 'asl.json')}"

    def _store(self, body: bytes, suffix: str, *, of: str = "") -> str:
        key = f"{of or hashlib.sha256(body).hexdigest()[:32]}.{suffix}"
        self._put(key, body)
        return key


def _is_local(uri: object) -> bool:
    return isinstance(uri, str) and not uri.startswith(("s3://", "http://", "https://"))


def sources(directory: Path, inside: str) -> str:
    """What a directory is called by: a digest of its sources and of who compiles them, not of the archive.

    CPython 3.11 compiles the same source to different bytes in one process: a constant of one character is one object
    for all, and `marshal` writes whether anybody has interned it meanwhile (`x = "-"` before and after
    `sys.intern("-")`). What the code does is the same.
    """
    digest = hashlib.sha256(f"{sys.version}\0{inside}".encode())
    for path in _files(directory):
        body = path.read_bytes()
        digest.update(f"\0{path.relative_to(directory).as_posix()}\0{len(body)}\0".encode() + body)
    return digest.hexdigest()[:32]


def zipped(directory: Path, *, inside: str) -> bytes:
    """The Python sources of a directory with their compiled modules (`unchecked-hash`, as the real layer has them)."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as bundle, tempfile.TemporaryDirectory() as scratch:
        for path in _files(directory):
            name = inside + path.relative_to(directory).as_posix()
            _add(bundle, name, path.read_bytes())
            if path.suffix == ".py":
                _add(bundle, *_compiled(path, name, Path(scratch)))
    return archive.getvalue()


def _compiled(path: Path, name: str, scratch: Path) -> tuple[str, bytes]:
    import importlib.util

    try:
        target = py_compile.compile(
            str(path),
            cfile=str(scratch / "module.pyc"),
            dfile=name,
            doraise=True,
            invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        )
    except py_compile.PyCompileError as error:
        raise Trouble(f"{path} does not compile: {error.msg.strip()}.", "Mend it and start again.") from error
    return importlib.util.cache_from_source(name), Path(str(target)).read_bytes()


def _add(bundle: zipfile.ZipFile, name: str, body: bytes) -> None:
    entry = zipfile.ZipInfo(name, EPOCH)
    entry.external_attr = 0o644 << 16
    bundle.writestr(entry, body)


def _files(directory: Path) -> Iterator[Path]:
    for path in sorted(directory.rglob("*")):
        if path.is_file() and not SKIPPED.intersection(path.relative_to(directory).parts):
            yield path
