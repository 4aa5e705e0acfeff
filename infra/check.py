"""`python -m infra.check`: every rule for templates and state machines; prints what is wrong, exits 1 if anything is.

`--quick` leaves out the tools that live in nested environments (SAM CLI, checkov).
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from infra.rules import edge, functions, iam, linters, state_machines, wiring
from infra.rules.templates import ROOT, ROOT_TEMPLATE, Finding, all_templates, name_of

Rule = Callable[[], Iterable[Finding]]


def rules(paths: list[Path], *, quick: bool) -> dict[str, Rule]:
    """What is checked, by what a reader would call it."""
    contexts = [path for path in paths if path != ROOT_TEMPLATE and name_of(path) not in wiring.SHARED]
    found: dict[str, Rule] = {
        "cfn-lint after SAM": lambda: linters.cfn_lint_translated(paths),
        "wiring of the nested applications": lambda: wiring.check(),
        "paths": lambda: [*wiring.check_paths(), *edge.check()],
        "functions": lambda: [
            *(finding for path in contexts for finding in functions.check(path)),
            *functions.check_files(contexts),
            *functions.check_cors(contexts),
        ],
        "permissions": lambda: [finding for path in paths for finding in iam.check(path)],
        "state machines": lambda: [
            *(finding for path in contexts for finding in state_machines.check(path)),
            *state_machines.check_files(contexts, ROOT),
        ],
    }
    if quick:
        found["cfn-lint"] = lambda: linters.cfn_lint(paths)
    else:
        found["sam validate --lint"] = lambda: linters.sam_validate(paths)
        found["checkov"] = lambda: linters.checkov(paths)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()
    paths = all_templates()
    wrong = 0
    for name, rule in rules(paths, quick=arguments.quick).items():
        started = time.monotonic()
        findings = list(rule())
        wrong += len(findings)
        sys.stdout.write(f"{name}: {len(findings) or 'nothing'} to mend ({time.monotonic() - started:.1f} s)\n")
        for finding in findings:
            sys.stdout.write(f"  {finding}\n")
        sys.stdout.flush()
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
