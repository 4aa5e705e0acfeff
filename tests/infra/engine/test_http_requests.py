"""What a function of an HTTP API learns of its caller, and the caller of its failures (patch http_requests)."""

import http.client
import json

import pytest

from .conftest import Engine, quickest

TEMPLATE = """
    Transform: AWS::Serverless-2016-10-31
    Resources:
      Function:
        Type: AWS::Serverless::Function
        Properties:
          Runtime: python3.11
          Handler: index.handler
          InlineCode: |
            import json
            def handler(event, context):
                if event["rawPath"] == "/fail":
                    raise ValueError("a secret of the house")
                return {"statusCode": 200, "body": json.dumps(event)}
          Events:
            All: {Type: HttpApi}
    Outputs:
      ApiId: {Value: !Ref ServerlessHttpApi}
"""


@pytest.fixture(scope="session")
def api(engine: Engine) -> str:
    return engine.deploy(TEMPLATE)["ApiId"]


def event(engine, api, **headers):
    _, _, body = engine.request(f"/_aws/execute-api/{api}/$default/any?a=1&a=2", headers=headers)
    return json.loads(body)


def test_the_caller_is_whom_the_front_names(engine, api):
    seen = event(engine, api, **{"CloudFront-Viewer-Address": "198.51.100.7:46532"})
    assert seen["requestContext"]["http"]["sourceIp"] == "198.51.100.7"
    seen = event(engine, api, **{"CloudFront-Viewer-Address": "[2001:db8::1]:443"})
    assert seen["requestContext"]["http"]["sourceIp"] == "2001:db8::1"


def test_without_a_front_the_caller_is_the_peer(engine, api):
    seen = event(engine, api, **{"X-Forwarded-For": "198.51.100.7"})
    assert seen["requestContext"]["http"]["sourceIp"] == "127.0.0.1"


def test_a_front_elsewhere_is_not_believed():
    from infra.local.engine.patches.http_requests import caller_of

    assert caller_of({"cloudfront-viewer-address": "198.51.100.7:1"}, "203.0.113.9") == "203.0.113.9"


def test_cookies_are_a_list_and_repeated_parameters_are_joined(engine, api):
    seen = event(engine, api, Cookie="a=1; b=2")
    assert seen["cookies"] == ["a=1", "b=2"]
    assert "cookie" not in seen["headers"]
    assert seen["queryStringParameters"] == {"a": "1,2"}


def test_a_failing_function_is_an_internal_server_error_that_says_nothing(engine, api):
    status, headers, body = engine.request(f"/_aws/execute-api/{api}/$default/fail")
    assert (status, body) == (500, b'{"message":"Internal Server Error"}')
    assert headers["content-type"] == "application/json"


def test_a_warm_request_through_the_gateway_and_a_function_takes_milliseconds(engine, api):
    connection = http.client.HTTPConnection("127.0.0.1", engine.port)

    def request():
        connection.request("GET", f"/_aws/execute-api/{api}/$default/any")
        connection.getresponse().read()

    took = quickest(request, 60)
    connection.close()
    assert took < 0.005  # 0.8 ms on an idle machine; 6-52 ms in the stock engine
