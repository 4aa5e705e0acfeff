"""The OpenAPI `Body` of AWS::ApiGatewayV2::Api is imported: routes, integrations, authorizers, CORS.

AWS: "Body: The OpenAPI definition. Supported only for HTTP APIs" (CloudFormation, AWS::ApiGatewayV2::Api), with the
extensions x-amazon-apigateway-integration, -any-method, -authorizer and -cors ("Work with OpenAPI definitions for HTTP
APIs"). SAM's HttpApi events arrive as such a Body; the stock engine ignores it, so that no route exists. And "if you
configure CORS for an API, API Gateway automatically sends a response to preflight OPTIONS requests", without CORS
headers when the origin is not allowed; an API without CORS has no route for it: 404 (stock: 403 for both).
"""

import json
from collections.abc import Iterator
from typing import Any

from ministack.services import apigateway
from ministack.services.cloudformation import provisioners

from infra.local.engine.patching import original, replaces, replaces_handler

_API = "AWS::ApiGatewayV2::Api"
_METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}
_ANY = "x-amazon-apigateway-any-method"
# The import warns "Resource $default should start with /": where FailOnWarnings is set, SAM writes the second form.
_DEFAULT = ("$default", "/$default")


def operations_of(body: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """(route key, operation) of each operation in the definition; `$default` stands alone, as API Gateway has it."""
    for path, item in (body.get("paths") or {}).items():
        for method, operation in (item or {}).items():
            if method == _ANY:
                yield ("$default" if path in _DEFAULT else f"ANY {path}"), operation
            elif method.lower() in _METHODS:
                yield f"{method.upper()} {path}", operation


def authorizers_of(body: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Security scheme name → what CreateAuthorizer takes."""
    schemes = (body.get("components") or {}).get("securitySchemes") or {}
    found = {}
    for name, scheme in schemes.items():
        extension = scheme.get("x-amazon-apigateway-authorizer")
        if not extension:
            continue
        source = extension.get("identitySource") or []
        found[name] = {
            **extension,
            "name": name,
            "authorizerType": str(extension.get("type", "jwt")).upper(),
            "identitySource": [part.strip() for part in source.split(",")] if isinstance(source, str) else source,
        }
    return found


def _created(answer: tuple[int, dict[str, str], bytes]) -> dict[str, Any]:
    status, _, body = answer
    if status >= 400:
        raise ValueError(f"import of the API definition failed: {body.decode()}")
    return json.loads(body)  # type: ignore[no-any-return]


def import_body(api_id: str, body: dict[str, Any]) -> None:
    """Replace everything that an API has by what the definition says, as ReimportApi does."""
    for store in (apigateway._routes, apigateway._integrations, apigateway._authorizers):
        store[api_id] = {}
    authorizers = {
        name: _created(apigateway._create_authorizer(api_id, definition))["authorizerId"]
        for name, definition in authorizers_of(body).items()
    }
    for route_key, operation in operations_of(body):
        integration = operation.get("x-amazon-apigateway-integration")
        if not integration:
            continue
        integration_id = _created(
            apigateway._create_integration(
                api_id,
                {
                    **integration,
                    "integrationType": str(integration["type"]).upper(),
                    "integrationUri": integration.get("uri", ""),
                    "integrationMethod": integration.get("httpMethod", "POST"),
                },
            )
        )["integrationId"]
        route = {
            "routeKey": route_key,
            "target": f"integrations/{integration_id}",
            "operationName": operation.get("operationId", ""),
        }
        for requirement in operation.get("security") or []:
            for name, scopes in requirement.items():
                if name in authorizers:
                    kind = apigateway._authorizers[api_id][authorizers[name]]["authorizerType"]
                    route |= {
                        "authorizationType": "JWT" if kind == "JWT" else "CUSTOM",
                        "authorizerId": authorizers[name],
                        "authorizationScopes": scopes,
                    }
        _created(apigateway._create_route(api_id, route))
    api = apigateway._apis[api_id]
    api["version"] = str((body.get("info") or {}).get("version", api.get("version", "")))
    if cors := body.get("x-amazon-apigateway-cors"):
        api["corsConfiguration"] = cors


def _complete(api_id: str, props: dict[str, Any]) -> None:
    """What the engine's own handler left out of an API's properties."""
    api = apigateway._apis[api_id]
    if props.get("CorsConfiguration"):  # stored as the template spells it, read in lower camel case
        api["corsConfiguration"] = provisioners._pascal_to_camel(props["CorsConfiguration"])
    if body := props.get("Body"):
        if not props.get("Name") and (body.get("info") or {}).get("title"):
            api["name"] = body["info"]["title"]
        import_body(api_id, body)


def apply() -> None:
    create = original(provisioners, "_apigw_v2_api_create")
    update = original(provisioners, "_apigw_v2_api_update")
    preflight = original(apigateway, "_cors_preflight_response")

    @replaces_handler(_API, "create")
    @replaces(provisioners)
    def _apigw_v2_api_create(logical_id: str, props: dict[str, Any], stack_name: str) -> tuple[str, dict[str, Any]]:
        api_id, attributes = create(logical_id, props, stack_name)
        _complete(api_id, props)
        return api_id, attributes

    @replaces_handler(_API, "update")
    @replaces(provisioners)
    def _apigw_v2_api_update(physical_id: str, old_props: dict[str, Any], new_props: dict[str, Any], *rest: Any) -> Any:
        api_id, attributes = update(physical_id, old_props, new_props, *rest)
        _complete(api_id, new_props)
        return api_id, attributes

    @replaces(apigateway)
    def _cors_preflight_response(configuration: dict[str, Any], origin: str) -> Any:
        if not configuration:
            return apigateway._http_api_not_found()
        status, headers, body = preflight(configuration, origin)
        return (status, headers, body) if status == 204 else (204, {"Content-Length": "0"}, b"")
