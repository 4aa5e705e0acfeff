"""Other people's linters over our templates: cfn-lint in this environment, SAM's and checkov in their own.

The SAM CLI and checkov pin dozens of packages each; a nested environment keeps them away from ours. They are
installed on first use, below this environment and nowhere else.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from infra.rules.templates import ROOT, Finding, name_of, translated

TOOLS = {"sam": "aws-sam-cli==1.170.0", "checkov": "checkov==3.3.30"}

# Checks of checkov that we do not follow: id -> why.
CHECKOV_SKIPS = {
    "CKV_AWS_18": "the bucket of bank files has one writer and one reader, and CloudTrail knows both",
    "CKV_AWS_26": "the alarm topic holds no secrets, and CloudWatch may not publish to one under AWS's own key",
    "CKV_AWS_27": "queues are encrypted with SQS-managed keys, the default since 2022; checkov looks for KMS",
    "CKV_AWS_31": "Redis hears one security group only, over TLS; a password in every environment adds a leak",
    "CKV_AWS_86": "each request writes one structured line already; edge logs would be the same again",
    "CKV_AWS_95": "access logs of the HTTP APIs: each function writes the line, with what a gateway cannot know",
    "CKV_AWS_115": "reserved concurrency would take it from the other functions; the account's limit is the limit",
    "CKV_AWS_116": "functions behind an API have no dead letters; the asynchronous ones name an on-failure queue",
    "CKV_AWS_117": "what speaks to the internet stands outside the VPC on purpose (see docs/aws.md)",
    "CKV_AWS_119": "tables are encrypted with AWS's own key; a customer key costs and protects no more here",
    "CKV_AWS_149": "secrets are encrypted with AWS's own key; a customer key is $1 a month for the same reach",
    "CKV_AWS_158": "logs are encrypted by default and hold no secrets",
    "CKV_AWS_173": "environment variables are encrypted by default; the edge's secret is the only one there",
    "CKV_AWS_174": "CloudFront's own certificate sets no minimum; one of your own (CertificateArn) does: TLS 1.2",
}


def cfn_lint(paths: list[Path]) -> Iterator[Finding]:
    """cfn-lint over the templates as written; `sam_validate` does the same with SAM's own version of it."""
    for path in paths:
        yield from _cfn_lint(path.read_text(encoding="utf-8"), name_of(path))


def cfn_lint_translated(paths: list[Path]) -> Iterator[Finding]:
    """cfn-lint over what SAM makes of the templates. Only errors: what SAM itself writes is SAM's."""
    for path in paths:
        yield from _cfn_lint(json.dumps(translated(path), indent=1), f"{name_of(path)} as translated", level="E")


def _cfn_lint(text: str, where: str, *, level: str = "") -> Iterator[Finding]:
    from cfnlint.api import lint  # type: ignore[import-untyped]

    for match in lint(text, regions=["us-east-1"]):
        if match.rule.id.startswith(level):
            yield Finding(f"{where}:{match.linenumber}", f"{match.rule.id} {match.message}")


def tool(name: str) -> Path:
    """The program of a nested environment, installed on first use."""
    home = Path(sys.prefix) / "nested" / name
    stamp = home / ".installed"
    if not stamp.is_file() or stamp.read_text() != TOOLS[name]:
        sys.stderr.write(f"Installing {TOOLS[name]} into {home}\n")
        shutil.rmtree(home, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
        pip = [str(home / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, TOOLS[name]], check=True)
        stamp.write_text(TOOLS[name])
    return home / "bin" / name


def _environment(folder: str) -> dict[str, str]:
    """No account, no region but one, no telemetry, nothing written to the user's home."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": folder,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_SECRET_ACCESS_KEY": "none",
        "SAM_CLI_TELEMETRY": "0",
        "PYTHONWARNINGS": "ignore",
    }


def sam_validate(paths: list[Path]) -> Iterator[Finding]:
    """`sam validate --lint`, as whoever deploys would call it; two at a time."""
    sam = tool("sam")
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(max_workers=2) as pool:

        def validated(path: Path) -> str:
            command = [str(sam), "validate", "--lint", "--template", str(path), "--region", "us-east-1"]
            done = subprocess.run(
                command, capture_output=True, text=True, cwd=ROOT, env=_environment(folder), check=False
            )
            return (done.stdout + done.stderr).strip() if done.returncode else ""

        for path, trouble in zip(paths, pool.map(validated, paths), strict=True):
            if trouble:
                yield Finding(name_of(path), f"sam validate --lint: {trouble}")


def checkov(paths: list[Path]) -> Iterator[Finding]:
    """checkov over what SAM makes of the templates."""
    program = tool("checkov")
    with tempfile.TemporaryDirectory() as folder:
        templates = Path(folder, "templates")
        templates.mkdir()
        for path in paths:
            (templates / f"{path.stem}.json").write_text(json.dumps(translated(path), indent=1))
        command = [str(program), "--directory", str(templates), "--framework", "cloudformation", "--output", "json"]
        command += ["--compact", "--quiet", "--skip-download", "--skip-check", ",".join(CHECKOV_SKIPS)]
        done = subprocess.run(command, capture_output=True, text=True, env=_environment(folder), check=False)
        try:
            report: Any = json.loads(done.stdout)
        except json.JSONDecodeError:
            raise RuntimeError(f"checkov did not finish: {done.stdout}{done.stderr}") from None
        for failed in report.get("results", {}).get("failed_checks", []):
            where = f"{Path(failed['file_path']).stem} {failed['resource']}"
            yield Finding(where, f"{failed['check_id']} {failed['check_name']}")
