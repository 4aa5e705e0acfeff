"""Nested SAM applications and OpenAPI bodies deploy as on AWS (patches nested_stacks and openapi_body)."""

import hashlib
import json
import textwrap

import pytest

from .conftest import zipped

ROOT = """
    Transform: AWS::Serverless-2016-10-31
    Parameters: {Greeting: {Type: String, Default: hello}, Code: {Type: String}}
    Resources:
      Things:
        Type: AWS::Serverless::Application
        Properties:
          Location: https://s3.amazonaws.com/artifacts/CHILD
          Parameters: {Greeting: !Ref Greeting, Code: !Ref Code}
    Outputs:
      ApiId: {Value: !GetAtt Things.Outputs.ApiId}
      FunctionArn: {Value: !GetAtt Things.Outputs.FunctionArn}
"""

CHILD = """
    Transform: AWS::Serverless-2016-10-31
    Parameters: {Greeting: {Type: String}, Code: {Type: String}}
    Globals: {Function: {Runtime: python3.11, Timeout: 5, Environment: {Variables: {GREETING: !Ref Greeting}}}}
    Resources:
      Api:
        Type: AWS::Serverless::HttpApi
        Properties:
          CorsConfiguration:
            AllowOrigins: ["https://console.example"]
            AllowMethods: [GET, POST]
            AllowHeaders: [authorization, x-trace]
            MaxAge: 600
      Function:
        Type: AWS::Serverless::Function
        Properties:
          CodeUri: {Bucket: artifacts, Key: !Ref Code}
          Handler: things.get_thing.handler
          Events:
            Get: {Type: HttpApi, Properties: {ApiId: !Ref Api, Path: "/things/{id}", Method: GET}}
            Any: {Type: HttpApi, Properties: {ApiId: !Ref Api, Path: "/files/{proxy+}", Method: ANY}}
      Unchanged:
        Type: AWS::Serverless::Function
        Properties: {CodeUri: {Bucket: artifacts, Key: !Ref Code}, Handler: things.get_thing.handler}
    Outputs:
      ApiId: {Value: !Ref Api}
      FunctionArn: {Value: !GetAtt Function.Arn}
"""

CODE = {
    "things/__init__.py": "",
    "things/get_thing.py": (
        "import json, os\n"
        "def handler(event, context):\n"
        "    body = {'greeting': os.environ['GREETING'], 'route': event['routeKey'], 'path': event['rawPath'],\n"
        "            'params': event.get('pathParameters'), 'ip': event['requestContext']['http']['sourceIp'],\n"
        "            'headers': event['headers']}\n"
        "    return {'statusCode': 200, 'headers': {'content-type': 'application/json'}, 'body': json.dumps(body)}\n"
    ),
}


@pytest.fixture(scope="session")
def things(engine):
    """The id of an API deployed by a nested application."""
    return deploy(engine, "hello")["ApiId"]


def deploy(engine, greeting, child=CHILD, stack="things"):
    key = engine.upload("things.zip", zipped(CODE))
    template = engine.upload(f"{hashlib.sha256(child.encode()).hexdigest()}.yaml", textwrap.dedent(child).encode())
    return engine.deploy(ROOT.replace("CHILD", template), stack=stack, Greeting=greeting, Code=key)


def call(engine, api, path, **request):
    status, headers, body = engine.request(f"/_aws/execute-api/{api}/$default{path}", **request)
    return status, headers, json.loads(body) if body else None


def test_a_route_of_a_nested_serverless_application_answers(engine, things):
    status, headers, body = call(engine, things, "/things/7")
    assert (status, headers["content-type"]) == (200, "application/json"), body
    assert body["greeting"] == "hello"
    assert (body["route"], body["params"]) == ("GET /things/{id}", {"id": "7"})


def test_any_method_and_greedy_paths_are_routes_too(engine, things):
    _, _, body = call(engine, things, "/files/a/b", method="DELETE")
    assert (body["route"], body["params"]) == ("ANY /files/{proxy+}", {"proxy": "a/b"})


def test_a_path_or_a_method_without_a_route_is_not_found(engine, things):
    assert call(engine, things, "/nothing")[0] == 404
    assert call(engine, things, "/things/7", method="POST")[0] == 404


def test_a_preflight_from_an_allowed_origin_is_answered_by_the_gateway(engine, things):
    preflight = {"origin": "https://console.example", "access-control-request-method": "GET"}
    status, headers, _ = call(engine, things, "/things/7", method="OPTIONS", headers=preflight)
    assert status == 204
    assert headers["access-control-allow-origin"] == "https://console.example"
    assert headers["access-control-allow-methods"] == "GET,POST"
    assert headers["access-control-allow-headers"] == "authorization,x-trace"
    assert headers["access-control-max-age"] == "600"


def test_a_preflight_from_elsewhere_is_answered_without_leave(engine, things):
    status, headers, _ = call(engine, things, "/things/7", method="OPTIONS", headers={"origin": "https://evil.example"})
    assert status == 204
    assert "access-control-allow-origin" not in headers


def test_answers_carry_cors_headers_for_allowed_origins(engine, things):
    _, headers, _ = call(engine, things, "/things/7", headers={"origin": "https://console.example"})
    assert headers["access-control-allow-origin"] == "https://console.example"


def test_without_cors_a_preflight_finds_no_route(engine):
    api = deploy(
        engine,
        "hello",
        CHILD.replace("CorsConfiguration:", "Tags:").replace(
            """
            AllowOrigins: ["https://console.example"]
            AllowMethods: [GET, POST]
            AllowHeaders: [authorization, x-trace]
            MaxAge: 600""",
            " {kind: plain}",
        ),
        stack="plain",
    )["ApiId"]
    assert call(engine, api, "/things/7", method="OPTIONS", headers={"origin": "https://a.example"})[0] == 404


def test_an_update_of_a_nested_application_changes_its_routes_and_keeps_its_api(engine):
    before = deploy(engine, "first", stack="changing")
    moved = CHILD.replace('"/things/{id}"', '"/moved/{id}"')
    after = deploy(engine, "second", moved, stack="changing")
    assert after == before  # the same API, and outputs of what did not change are still there
    status, _, body = call(engine, after["ApiId"], "/moved/7")
    assert (status, body["greeting"]) == (200, "second")
    assert call(engine, after["ApiId"], "/things/7")[0] == 404


def test_the_api_is_named_and_described_as_its_definition_says(engine, things):
    api = engine.client("apigatewayv2").get_api(ApiId=things)
    assert api["Name"]
    assert api["Version"] == "1.0"
    routes = engine.client("apigatewayv2").get_routes(ApiId=things)["Items"]
    assert {route["RouteKey"] for route in routes} == {"GET /things/{id}", "ANY /files/{proxy+}"}


SECRETS = """
    Parameters: {Greeting: {Type: String}, Code: {Type: String}}
    Resources:
      Secret:
        Type: AWS::SecretsManager::Secret
        Properties:
          GenerateSecretString:
            PasswordLength: 60
            ExcludePunctuation: true
            SecretStringTemplate: '{"user": "edge"}'
            GenerateStringKey: password
      Holder:
        Type: AWS::SSM::Parameter
        Properties:
          Type: String
          Value: !Sub "${Greeting} {{resolve:secretsmanager:${Secret.Id}:SecretString:password}}"
    Outputs:
      ApiId: {Value: !GetAtt Secret.Id}
      FunctionArn: {Value: !Ref Holder}
"""


def test_a_nested_stack_generates_secrets_and_resolves_references_to_them(engine):
    outputs = deploy(engine, "hello", SECRETS, stack="secrets")
    found = engine.client("secretsmanager").get_secret_value(SecretId=outputs["ApiId"])
    secret = json.loads(found["SecretString"])
    assert secret["user"] == "edge"
    assert len(secret["password"]) == 60
    assert secret["password"].isalnum()

    def held():
        return engine.client("ssm").get_parameter(Name=outputs["FunctionArn"])["Parameter"]["Value"]

    assert held() == f"hello {secret['password']}"
    deploy(engine, "goodbye", SECRETS, stack="secrets")
    assert held() == f"goodbye {secret['password']}"  # what is generated stays
