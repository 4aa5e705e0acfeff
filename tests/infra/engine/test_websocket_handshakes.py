"""How a WebSocket handshake ends is the `$connect` function's to say (patch websocket_handshakes)."""

import asyncio

import aiohttp
import pytest

from .conftest import Engine

TEMPLATE = """
    Transform: AWS::Serverless-2016-10-31
    Resources:
      Function:
        Type: AWS::Serverless::Function
        Properties:
          Runtime: python3.11
          Handler: index.handler
          InlineCode: |
            def handler(event, context):
                if event["requestContext"]["eventType"] != "CONNECT":
                    return {"statusCode": 200}
                wish = (event["queryStringParameters"] or {}).get("status", "200")
                return {"statusCode": int(wish), "headers": {"Sec-WebSocket-Protocol": "bearer"}}
      Api:
        Type: AWS::ApiGatewayV2::Api
        Properties: {Name: sockets, ProtocolType: WEBSOCKET, RouteSelectionExpression: $request.body.type}
      Integration:
        Type: AWS::ApiGatewayV2::Integration
        Properties:
          ApiId: !Ref Api
          IntegrationType: AWS_PROXY
          IntegrationUri: !Sub
            - arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${Arn}/invocations
            - {Arn: !GetAtt Function.Arn}
      Connect:
        Type: AWS::ApiGatewayV2::Route
        Properties: {ApiId: !Ref Api, RouteKey: $connect, Target: !Sub "integrations/${Integration}"}
      Stage:
        Type: AWS::ApiGatewayV2::Stage
        Properties: {ApiId: !Ref Api, StageName: live, AutoDeploy: true}
    Outputs:
      ApiId: {Value: !Ref Api}
"""


@pytest.fixture(scope="session")
def socket_api(engine: Engine) -> str:
    return engine.deploy(TEMPLATE)["ApiId"]


def shaken(engine: Engine, api: str, query: str = "", **named: object) -> str | None:
    async def scenario() -> str | None:
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(f"{engine.url}/_aws/execute-api/{api}/live{query}", **named) as socket,
        ):
            return socket.protocol

    return asyncio.run(scenario())


def test_the_function_chooses_the_subprotocol(engine, socket_api):
    assert shaken(engine, socket_api, protocols=["bearer", "a.b.c"]) == "bearer"


def test_a_refusal_has_the_functions_status(engine, socket_api):
    for status in (401, 429):
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            shaken(engine, socket_api, f"?status={status}")
        assert refused.value.status == status
