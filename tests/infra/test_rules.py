"""Each rule finds what it is there to find: a template or a state machine that breaks it, and what is said then."""

import textwrap
from collections.abc import Iterable
from pathlib import Path

import pytest

from infra.rules import edge, functions, iam, state_machines, wiring
from infra.rules.templates import Finding

SAM = 'Transform: AWS::Serverless-2016-10-31\nAWSTemplateFormatVersion: "2010-09-09"\n'


def _template(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(SAM + textwrap.dedent(text))
    return path


def _whats(findings: Iterable[Finding]) -> list[str]:
    return [finding.what for finding in findings]


FUNCTION = """
    Resources:
      Thing:
        Type: AWS::Serverless::Function
        Properties:
          CodeUri: ../functions/
          Handler: console.get_home.handler
          Runtime: python3.11
          Timeout: 5
          MemorySize: 128
          Description: A thing
          LoggingConfig: {LogGroup: x}
"""


def _function(folder: Path, more: str) -> Path:
    return _template(folder, "console.yaml", FUNCTION + textwrap.indent(textwrap.dedent(more), " " * 10))


def test_a_proper_function_is_let_be(tmp_path: Path) -> None:
    assert _whats(functions.check(_function(tmp_path, ""))) == []


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("Role: arn:aws:iam::1:role/x", "brings a Role"),
        ("Environment: {Variables: {SOMETHING_ELSE: x}}", "sets SOMETHING_ELSE, which is no name of ours"),
        ("Environment: {Variables: {REDIS_URL: x}}", "has REDIS_URL but no VpcConfig"),
        ("VpcConfig: {SubnetIds: [a]}", "stands in the VPC without need"),
        (
            """
            VpcConfig: {SubnetIds: [a]}
            Environment: {Variables: {REDIS_URL: x}}
            Policies: [{Statement: [{Effect: Allow, Action: sqs:SendMessage, Resource: q}]}]
            """,
            "from where sqs:SendMessage cannot be called",
        ),
        ("Events: {Get: {Type: HttpApi, Properties: {Method: get, Path: /}}}", "names no ApiId"),
        (
            "Events: {Read: {Type: Kinesis, Properties: {Stream: x, StartingPosition: LATEST}}}",
            "reads a stream without BisectBatchOnFunctionError",
        ),
        ("Events: {Read: {Type: SQS, Properties: {Queue: x}}}", "without FunctionResponseTypes"),
    ],
)
def test_a_function_that_breaks_a_rule_is_named(tmp_path: Path, more: str, said: str) -> None:
    findings = _whats(functions.check(_function(tmp_path, more)))
    assert any(said in what for what in findings), findings


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (("console.get_home.handler", "console.get_nothing.handler"), "does not exist"),
        (("console.get_home.handler", "offers.list_offers.handler"), "not console.<verb_noun>.handler"),
        (("../functions/", "../elsewhere/"), "CodeUri"),
        (("Timeout: 5", "Timeout: 30\n          Events: {G: {Type: HttpApi, Properties: {ApiId: x}}}"), "may run 30 s"),
    ],
)
def test_a_function_with_the_wrong_value_is_named(tmp_path: Path, wrong: tuple[str, str], said: str) -> None:
    path = _template(tmp_path, "console.yaml", FUNCTION.replace(*wrong))
    findings = _whats(functions.check(path))
    assert any(said in what for what in findings), findings


def _role(folder: Path, statement: str, managed: str = "[]") -> Path:
    return _template(
        folder,
        "role.yaml",
        f"""
        Resources:
          R:
            Type: AWS::IAM::Role
            Properties:
              AssumeRolePolicyDocument: {{}}
              ManagedPolicyArns: {managed}
              Policies: [{{PolicyName: p, PolicyDocument: {{Statement: [{statement}]}}}}]
        """,
    )


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("{Effect: Allow, Action: sqs:SendMessage, Resource: '*'}", "sqs:SendMessage on every resource"),
        ("{Effect: Allow, Action: 'sqs:*', Resource: q}", "allows sqs:*; name each action"),
        (
            "{Effect: Allow, Action: dynamodb:GetItem, "
            "Resource: !Sub 'arn:aws:dynamodb:${AWS::Region}:${AWS::AccountId}:table/*'}",
            "dynamodb:GetItem on every resource",
        ),
        ("{Effect: Allow, NotAction: x, Resource: q}", "everything but something"),
    ],
)
def test_a_permission_that_is_too_wide_is_named(tmp_path: Path, statement: str, said: str) -> None:
    findings = _whats(iam.check(_role(tmp_path, statement)))
    assert any(said in what for what in findings), findings


def test_a_permission_that_names_its_resource_is_let_be(tmp_path: Path) -> None:
    narrow = "{Effect: Allow, Action: dynamodb:Query, Resource: !Sub 'arn:aws:dynamodb:a:b:table/x/index/gsi1'}"
    assert _whats(iam.check(_role(tmp_path, narrow))) == []


def test_a_foreign_managed_policy_is_named(tmp_path: Path) -> None:
    path = _role(tmp_path, "{Effect: Deny, Action: x, Resource: y}", "['arn:aws:iam::aws:policy/AdministratorAccess']")
    assert "AdministratorAccess" in "".join(_whats(iam.check(path)))


TASK = {
    "Type": "Task",
    "Resource": "arn:aws:states:::lambda:invoke",
    "TimeoutSeconds": 5,
    "Retry": [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 2}],
    "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "Undo"}],
    "Next": "Done",
}
ENDS = {"Done": {"Type": "Succeed"}, "Undo": {"Type": "Fail"}}


def _machine(**states: object) -> list[str]:
    machine = {"StartAt": "Act", "States": {**ENDS, **states}}
    return _whats(state_machines.check_machine("machine", machine))


def test_a_proper_state_machine_is_let_be() -> None:
    assert _machine(Act=TASK) == []


@pytest.mark.parametrize(
    ("lacking", "said"),
    [
        ("TimeoutSeconds", "no literal TimeoutSeconds"),
        ("Retry", "no Retry"),
        ("Catch", "no Catch"),
        ("Next", "neither leads on nor ends"),
    ],
)
def test_a_task_without_a_way_out_is_named(lacking: str, said: str) -> None:
    findings = _machine(Act={key: value for key, value in TASK.items() if key != lacking})
    assert any(said in what for what in findings), findings


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ({**TASK, "Next": "Nowhere"}, "leads to Nowhere, which is no state"),
        ({**TASK, "Catch": [{"ErrorEquals": ["Mine"], "Next": "Undo"}]}, "not States.ALL"),
        ({**TASK, "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Undo"}]}, "a Catch without ResultPath"),
        ({**TASK, "TimeoutSecondsPath": "$.t", "TimeoutSeconds": None}, "no literal TimeoutSeconds"),
        ({"Type": "Map", "Iterator": {"StartAt": "A", "States": {"A": ENDS["Done"]}}, "End": True}, "MaxConcurrency"),
        ({"Type": "Choice", "Choices": [{"Next": "Done"}]}, "no Default"),
    ],
)
def test_a_state_that_breaks_a_rule_is_named(state: object, said: str) -> None:
    findings = _machine(Act=state)
    assert any(said in what for what in findings), findings


def test_a_state_that_nothing_leads_to_is_named() -> None:
    assert _machine(Act=TASK, Lost=TASK) == ["is never reached"]


def test_a_rule_holds_inside_a_map_too() -> None:
    inner = {"StartAt": "Act", "States": {"Act": {**TASK, "TimeoutSeconds": None}, **ENDS}}
    findings = _machine(Act={"Type": "Map", "MaxConcurrency": 2, "ItemProcessor": inner, "Next": "Done"})
    assert any("no literal TimeoutSeconds" in what for what in findings), findings


def test_a_substitution_that_nobody_gives_is_named(tmp_path: Path) -> None:
    (tmp_path / "machine.asl.yaml").write_text(
        "StartAt: Act\nStates:\n  Act: {Type: Pass, Result: '${Given} ${Missing}', End: true}\n"
    )
    path = _template(
        tmp_path,
        "console.yaml",
        """
        Resources:
          Machine:
            Type: AWS::Serverless::StateMachine
            Properties:
              DefinitionUri: machine.asl.yaml
              DefinitionSubstitutions: {Given: x, Unused: y}
        """,
    )
    assert [what.partition(",")[0] for what in _whats(state_machines.check(path))] == [
        "does not give Missing",
        "gives Unused",
    ]


def _nested(folder: Path, parameters: str, child: str) -> Path:
    _template(folder, "child.yaml", child)
    return _template(
        folder,
        "root.yaml",
        f"""
        Resources:
          Child:
            Type: AWS::Serverless::Application
            Properties:
              Location: child.yaml
              Parameters: {parameters}
        Outputs:
          Api: {{Value: !GetAtt Child.Outputs.ApiId}}
        """,
    )


def test_a_parameter_that_a_nested_application_does_not_take_or_lacks_is_named(tmp_path: Path) -> None:
    child = "Parameters: {EventBusName: {Type: String}}\nResources: {}\nOutputs: {ApiId: {Value: !Ref EventBusName}}\n"
    findings = _whats(wiring.check(_nested(tmp_path, "{MailFrom: x}", child)))
    assert [what.partition(",")[0] for what in findings] == ["gives MailFrom", "does not give EventBusName"]


def test_an_output_that_a_nested_application_lacks_is_named(tmp_path: Path) -> None:
    findings = _whats(wiring.check(_nested(tmp_path, "{}", "Parameters: {}\nResources: {}\n")))
    assert findings == ["uses Child.Outputs.ApiId, which child.yaml lacks"]


def test_a_parameter_under_a_name_of_its_own_is_named(tmp_path: Path) -> None:
    child = "Parameters: {Bus: {Type: String}}\nResources: {}\nOutputs: {ApiId: {Value: !Ref Bus}}\n"
    assert _whats(wiring.check(_nested(tmp_path, "{Bus: x}", child))) == [
        "declares Bus, which is no parameter of a context"
    ]


def _edge(folder: Path, *behaviours: tuple[str, str]) -> Path:
    lines = ", ".join(f"{{PathPattern: {pattern}, TargetOriginId: {origin}}}" for pattern, origin in behaviours)
    head = "Resources: {Distribution: {Type: x, Properties: {DistributionConfig: {CacheBehaviors: "
    path = folder / "edge.yaml"
    path.write_text(head + f"[{lines}]" + "}}}}\n")
    return path


def test_an_edge_that_says_something_else_than_the_table_is_named(tmp_path: Path) -> None:
    table = tmp_path / "paths.yaml"
    table.write_text("- {prefix: /a/b, context: one, api: public}\n- {prefix: /a, context: two, api: public}\n")
    right = [("/a/b", "one"), ("/a/b/*", "one"), ("/a", "two"), ("/a/*", "two")]
    assert _whats(edge.check(_edge(tmp_path, *right), table)) == []


def test_an_edge_with_the_paths_in_another_order_is_named(tmp_path: Path) -> None:
    table = tmp_path / "paths.yaml"
    table.write_text("- {prefix: /a/b, context: one, api: public}\n- {prefix: /a, context: two, api: public}\n")
    turned = [("/a", "two"), ("/a/*", "two"), ("/a/b", "one"), ("/a/b/*", "one")]
    assert "another order" in _whats(edge.check(_edge(tmp_path, *turned), table))[0]


def test_an_edge_that_lets_internal_paths_in_is_named(tmp_path: Path) -> None:
    table = tmp_path / "paths.yaml"
    table.write_text("- {prefix: /internal/v1, context: one, api: internal}\n")
    findings = _whats(edge.check(_edge(tmp_path, ("/internal/v1/*", "one")), table))
    assert any("in from the internet" in what for what in findings)
