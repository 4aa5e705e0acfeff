"""What a service is told that it may call exists, and what exists is told. # 305"""

from gpubroker.identity.permissions import ENDPOINTS
from infra.openapi import endpoints

ROUTES = {(route.method, route.path) for route in (endpoint.module.handler.route for endpoint in endpoints())}


def test_every_endpoint_of_the_table_is_a_route():
    told = {endpoint for opened in ENDPOINTS.values() for endpoint in opened}
    assert told - ROUTES == set()


def test_every_route_for_administrators_is_in_the_table():
    asked = {(one.method, one.path) for one in endpoints() if one.needs() == "an administrator"}
    assert asked == set(ENDPOINTS["admin:*"])


def test_every_internal_route_is_in_the_table():
    for scope, prefixes in {
        "internal:*": ("/internal/",),
        "keys:manage": ("/api/v2/auth/api-keys",),
        "favorites:write": ("/api/v2/users/favorites",),
    }.items():
        routes = {route for route in ROUTES if route[1].startswith(prefixes)}
        assert routes <= set(ENDPOINTS[scope])
