from gpubroker.identity.permissions import ENDPOINTS, SCOPES, endpoints_of, grantable, refused


def test_every_grantable_scope_exists_and_opens_something():
    for role in ("user", "admin", "agent", "service"):
        assert grantable(role) <= set(SCOPES)
    assert set(ENDPOINTS) == set(SCOPES)


def test_only_services_reach_the_internal_api_and_only_administrators_administer():
    assert [role for role in ("user", "admin", "agent", "service") if "internal:*" in grantable(role)] == ["service"]
    assert [role for role in ("user", "admin", "agent", "service") if "admin:*" in grantable(role)] == ["admin"]


def test_an_agent_cannot_make_keys_for_itself():
    assert "keys:manage" not in grantable("agent")


def test_unknown_scopes_are_refused_with_those_beyond_ones_own():
    assert refused(["offers:read", "admin:*", "made:up"], grantable("user")) == ["admin:*", "made:up"]


def test_endpoints_are_told_for_the_scopes_held_only():
    assert endpoints_of(["rentals:read"]) == [
        {"method": "GET", "path": "/api/v2/rentals"},
        {"method": "GET", "path": "/api/v2/rentals/{rental_id}"},
    ]
    assert endpoints_of([]) == []
