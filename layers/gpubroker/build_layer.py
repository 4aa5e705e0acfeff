"""Build the Lambda layer: dependencies of pyproject.toml, the package, and compiled modules of both.

Runs under the Python version that the Lambda will have, since it compiles for itself. Uses wheels for Lambda's Linux
only, whatever machine it runs on. What no Lambda of ours needs is left out; what is left must stay under BOUND.
"""

import argparse
import compileall
import contextlib
import os
import py_compile
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
PYPROJECT = HERE.parents[1] / "pyproject.toml"
CONSTRAINTS = HERE / "constraints.txt"  # the versions that were tested; infra/lock.py writes them

# Lambda refuses a function whose code and layers are over 250 MB unpacked; start times suffer long before.
BOUND = 120_000_000  # bytes

# Services that functions make clients of (botocore's folder names); tests/infra holds this list against the code.
AWS_SERVICES = frozenset(
    {
        "apigatewaymanagementapi",
        "dynamodb",
        "dynamodbstreams",
        "events",
        "kinesis",
        "lambda",
        "s3",
        "secretsmanager",
        "sesv2",
        "sns",
        "sqs",
        "stepfunctions",
        "sts",
    }
)

# glibc of the runtimes: Amazon Linux 2 (python3.11) has 2.26, Amazon Linux 2023 (from python3.12) has 2.34.
GLIBC = 26 if sys.version_info < (3, 12) else 34

# Never imported by what we import.
PRUNED_FOLDERS = frozenset({"tests", "test", "testing", "examples", "bin", "__pycache__"})
PRUNED_SUFFIXES = frozenset({".pyi", ".c", ".h", ".pyx", ".pxd", ".so.debug", ".a"})


def dependencies() -> tuple[list[str], list[str]]:
    """The runtime requirements, from the one place that names them: those to install whole, and those to install bare
    (without what they need themselves)."""
    told = tomllib.loads(PYPROJECT.read_text())
    names = set(told["tool"]["gpubroker"]["layer"]["bare"])
    every = list(told["project"]["dependencies"])
    bare = [requirement for requirement in every if re.split(r"[^\w.-]", requirement)[0] in names]
    return [requirement for requirement in every if requirement not in bare], bare


def platforms(architecture: str) -> list[str]:
    """Wheel tags that run there, newest first. `arm64` is Lambda's name for aarch64."""
    machine = {"x86_64": "x86_64", "arm64": "aarch64"}[architecture]
    tags = [f"manylinux_2_{minor}_{machine}" for minor in range(GLIBC, 4, -1)]
    return [*tags, f"manylinux2014_{machine}", f"manylinux2010_{machine}", f"manylinux1_{machine}"]


def install(target: Path, architecture: str) -> None:
    """pip, for another machine than this one: wheels only, no scripts run."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    command += [
        "--target",
        str(target),
        "--constraint",
        str(CONSTRAINTS),
        "--only-binary=:all:",
        "--implementation",
        "cp",
    ]
    command += ["--python-version", f"{sys.version_info.major}.{sys.version_info.minor}"]
    for tag in platforms(architecture):
        command += ["--platform", tag]
    environment = {**os.environ, "PIP_ROOT_USER_ACTION": "ignore"}
    whole, bare = dependencies()
    for arguments in (whole, ["--no-deps", *bare]):
        subprocess.run([*command, *arguments], check=True, env=environment)  # noqa: S603 - our own requirements


def unneeded(target: Path) -> Iterator[Path]:
    """Paths that no function reads: tests, stubs, sources of extensions, models of AWS services we do not call."""
    for folder, names, files in os.walk(target):
        for name in [name for name in names if name in PRUNED_FOLDERS]:
            names.remove(name)
            yield Path(folder, name)
        for name in files:
            if Path(name).suffix in PRUNED_SUFFIXES or (name == "RECORD" and folder.endswith(".dist-info")):
                yield Path(folder, name)
    models = target / "botocore" / "data"
    for service in models.iterdir():
        if service.is_dir() and service.name not in AWS_SERVICES:
            yield service
    yield target / "boto3" / "data"
    yield target / "boto3" / "examples"


def prune(target: Path) -> None:
    for path in list(unneeded(target)):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            with contextlib.suppress(FileNotFoundError):  # inside a folder that went before
                path.unlink()


def add_package(target: Path) -> None:
    ignore = shutil.ignore_patterns("__pycache__", "*.pyc")
    shutil.copytree(HERE / "gpubroker", target / "gpubroker", ignore=ignore, dirs_exist_ok=True)


def compile_modules(target: Path) -> None:
    """`.pyc` files that Lambda uses without looking at the sources' times, which unpacking changes.

    unchecked-hash; worth 2.6 to 3 times at a cold start. Paths in tracebacks are those inside Lambda.
    """
    whole = compileall.compile_dir(
        target,
        quiet=1,
        workers=0,
        force=True,
        stripdir=str(target.parent),
        prependdir="/opt",
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )
    if not whole:
        raise SystemExit("Some modules do not compile; see above.")


def size(target: Path) -> int:
    """Bytes of all files under a folder."""
    return sum(path.stat().st_size for path in target.rglob("*") if path.is_file())


def build(target: Path, architecture: str) -> int:
    """Fill `target` (the layer's `python` folder) and return its size in bytes."""
    target.mkdir(parents=True, exist_ok=True)
    install(target, architecture)
    prune(target)
    add_package(target)
    compile_modules(target)
    total = size(target)
    if total > BOUND:
        raise SystemExit(f"The layer has {total / 1e6:.0f} MB, more than the {BOUND / 1e6:.0f} MB it may have.")
    return total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", type=Path)
    parser.add_argument("--architecture", choices=["x86_64", "arm64"], default="x86_64")
    arguments = parser.parse_args()
    total = build(arguments.target, arguments.architecture)
    sys.stdout.write(
        f"layer: {total / 1e6:.1f} MB for Python {sys.version_info.major}.{sys.version_info.minor}"
        f" on {arguments.architecture} (at most {BOUND / 1e6:.0f} MB; Lambda's limit is 250 MB)\n"
    )


if __name__ == "__main__":
    main()
