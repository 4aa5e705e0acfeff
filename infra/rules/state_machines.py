"""Amazon States Language: what the schema of cfn-lint does not say, and what this house adds to it.

Every Task ends by itself and has a way out; every Map is bounded; every state can be reached and leads somewhere;
every `${Substitution}` is given. (States Language: https://states-language.net/spec.html)
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from infra.rules.templates import Finding, definition, load, name_of, resources, state_machine_files, strings

_ENDS = {"Succeed", "Fail"}
_TYPES = {"Task", "Pass", "Choice", "Wait", "Succeed", "Fail", "Parallel", "Map"}
_SUBSTITUTION = re.compile(r"\$\{(\w+)\}")

Json = dict[str, Any]


def check(path: Path) -> Iterator[Finding]:
    """The state machines of a template."""
    for name, file in state_machine_files(path).items():
        where = f"{name_of(path)} {name}"
        if not file.is_file():
            yield Finding(where, f"names {name_of(file)}, which does not exist")
            continue
        machine = definition(file)
        yield from check_machine(name_of(file), machine)
        given = resources(path)[name]["Properties"].get("DefinitionSubstitutions", {})
        used = {match for text in strings(machine) for match in _SUBSTITUTION.findall(text)}
        for substitution in sorted(used - set(given)):
            yield Finding(where, f"does not give {substitution}, which {name_of(file)} uses")
        for substitution in sorted(set(given) - used):
            yield Finding(where, f"gives {substitution}, which {name_of(file)} does not use")
        yield from _settings(where, load(path)["Resources"][name]["Properties"])


def check_files(paths: list[Path], root: Path) -> Iterator[Finding]:
    """Every definition is some template's."""
    named = {file for path in paths for file in state_machine_files(path).values()}
    for file in sorted(root.glob("statemachines/*/*.asl.yaml")):
        if file.resolve() not in named:
            yield Finding(name_of(file), "is named by no template")


def _settings(where: str, properties: Json) -> Iterator[Finding]:
    if "Role" in properties:
        yield Finding(where, "brings a Role; each state machine has its own, from its Policies")
    if "Logging" not in properties and properties.get("Type") == "EXPRESS":
        yield Finding(where, "is EXPRESS without Logging: nobody would see it fail")


def check_machine(where: str, machine: Json) -> Iterator[Finding]:
    """A machine, or the inner machine of a Map or of one branch."""
    if machine.get("QueryLanguage", "JSONPath") != "JSONPath":
        yield Finding(where, "uses JSONata, which our linters and the local engine do not follow")
    states = machine.get("States", {})
    start = machine.get("StartAt")
    if start not in states:
        yield Finding(where, f"starts at {start}, which is no state")
    for name, state in states.items():
        yield from _state(f"{where} {name}", state, states)
    for name in sorted(set(states) - _reached(start, states)):
        yield Finding(f"{where} {name}", "is never reached")


def _state(where: str, state: Json, states: Json) -> Iterator[Finding]:
    kind = state.get("Type")
    if kind not in _TYPES:
        yield Finding(where, f"has the type {kind!r}")
        return
    for target in _targets(state):
        if target not in states:
            yield Finding(where, f"leads to {target}, which is no state")
    if kind not in _ENDS | {"Choice"} and not state.get("End") and "Next" not in state:
        yield Finding(where, "neither leads on nor ends")
    if kind == "Choice" and "Default" not in state:
        yield Finding(where, "has no Default: an input that no rule expects would fail the execution")
    if not re.fullmatch(r"([A-Z][A-Za-z0-9]*)", where.rpartition(" ")[2]):
        yield Finding(where, "is not named in PascalCase")
    if kind == "Task":
        yield from _task(where, state)
    if kind == "Map":
        yield from _map(where, state)
    for number, branch in enumerate(state.get("Branches", []), 1):
        yield from check_machine(f"{where}[{number}]", branch)


def _task(where: str, state: Json) -> Iterator[Finding]:
    resource = state.get("Resource", "")
    timeout = state.get("TimeoutSeconds")
    if not isinstance(timeout, int):
        yield Finding(where, "has no literal TimeoutSeconds: the default is never")
    if resource.startswith("arn:aws:states:::http:"):
        yield Finding(where, "calls http directly; outgoing calls go through a function")
    for key, needed in (("Retry", "a Lambda that is throttled would fail it"), ("Catch", "its failure has no way out")):
        if not state.get(key):
            yield Finding(where, f"has no {key}: {needed}")
    for retrier in state.get("Retry", []):
        if "MaxAttempts" not in retrier:
            yield Finding(where, "has a Retry without MaxAttempts")
    if state.get("Catch") and not any("States.ALL" in catcher["ErrorEquals"] for catcher in state["Catch"]):
        yield Finding(where, "catches some errors but not States.ALL")
    for catcher in state.get("Catch", []):
        if "ResultPath" not in catcher:
            yield Finding(where, "has a Catch without ResultPath: the error replaces the state's whole input")


def _map(where: str, state: Json) -> Iterator[Finding]:
    if not isinstance(state.get("MaxConcurrency"), int) or state["MaxConcurrency"] < 1:
        yield Finding(where, "has no MaxConcurrency of its own: it would start everything at once")
    inner = state.get("ItemProcessor") or state.get("Iterator")
    if inner is None:
        yield Finding(where, "has no ItemProcessor")
    else:
        yield from check_machine(where, inner)


def _targets(state: Json) -> list[str]:
    targets = [state[key] for key in ("Next", "Default") if key in state]
    targets += [choice["Next"] for choice in state.get("Choices", []) if "Next" in choice]
    return targets + [catcher["Next"] for catcher in state.get("Catch", [])]


def _reached(start: Any, states: Json) -> set[str]:
    reached: set[str] = set()
    waiting = [start]
    while waiting:
        name = waiting.pop()
        if name in states and name not in reached:
            reached.add(name)
            waiting.extend(_targets(states[name]))
    return reached
