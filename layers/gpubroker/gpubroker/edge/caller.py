"""Who is calling, and whether that is enough: the dependencies that a route declares.

    caller: Annotated[Caller, Depends(signed_in)]

Verification happens in the function, memoised by token (DESIGN §3); the rules here only look at its result.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

from aws_lambda_powertools.event_handler.request import Request

from gpubroker.edge.address import viewer_address
from gpubroker.kernel.caller import Caller, Plan, Role
from gpubroker.kernel.errors import Forbidden, Unauthenticated

__all__ = [
    "Caller",
    "Plan",
    "Role",
    "admin",
    "anyone",
    "identify",
    "person_with",
    "plan",
    "scoped",
    "scoped_on",
    "service",
    "service_with",
    "signed_in",
    "staff",
    "viewer",
]

Rule = Callable[[Caller], None]


def identify(event: Mapping[str, Any], headers: Mapping[str, str]) -> Caller:
    """The verified caller of an HTTP API event. Raises Unauthenticated for credentials that do not hold."""
    address = viewer_address(event, headers)
    if "authorization" not in headers and "x-api-key" not in headers:
        return Caller(Role.ANONYMOUS, address=address)
    # A credential is what makes verification worth its import.
    from gpubroker.composition import identity as composition

    caller: Caller = composition.verifier().caller_of(headers, address, time.time())
    return caller


def _dependency(rule: Rule, needs: str) -> Callable[[Request], Caller]:
    """A Powertools dependency whose rule `serve` can apply by itself to a caller it already knows.

    needs: the rule in words, for the API document; empty where no credentials are needed.
    """

    def dependency(request: Request) -> Caller:
        caller = identify(request.resolved_event.raw_event, request.headers)
        rule(caller)
        return caller

    dependency.rule = rule  # type: ignore[attr-defined]
    dependency.needs = needs  # type: ignore[attr-defined]
    return dependency


def _require(caller: Caller, allowed: bool, reason: str) -> None:
    if caller.anonymous:
        raise Unauthenticated("Sign in, or send an API key.")
    if not allowed:
        raise Forbidden(reason)


def _anyone(caller: Caller) -> None:
    """With credentials or without; wrong ones have been refused already."""


anyone = _dependency(_anyone, "")
signed_in = _dependency(lambda caller: _require(caller, True, ""), "credentials of any kind")
admin = _dependency(
    lambda caller: _require(caller, caller.role is Role.ADMIN, "This is for administrators."),
    "an administrator",
)
service = _dependency(
    lambda caller: _require(caller, caller.role is Role.SERVICE, "This is for services, with a service token."),
    "a service token",
)
user_or_agent = _dependency(
    lambda caller: _require(
        caller, caller.role in (Role.USER, Role.AGENT, Role.ADMIN), "This acts for a person: a service may not."
    ),
    "a person, or an agent of one",
)


def scoped(scope: str) -> Callable[[Request], Caller]:
    """Signed in, with a credential that carries `scope` (`rentals:write`)."""
    return _dependency(
        lambda caller: _require(caller, caller.may(scope), f"This needs the scope {scope}."), f"the scope `{scope}`"
    )


def service_with(scope: str) -> Callable[[Request], Caller]:
    """A service, with a token that carries `scope`."""

    def rule(caller: Caller) -> None:
        _require(caller, caller.role is Role.SERVICE, "This is for services, with a service token.")
        _require(caller, caller.may(scope), f"This needs the scope {scope}.")

    return _dependency(rule, f"a service token with the scope `{scope}`")


def person_with(scope: str) -> Callable[[Request], Caller]:
    """A person, or an agent of one, with a credential that carries `scope`."""

    def rule(caller: Caller) -> None:
        _require(caller, caller.role is not Role.SERVICE, "This acts for a person: a service may not.")
        _require(caller, caller.may(scope), f"This needs the scope {scope}.")

    return _dependency(rule, f"a person, or an agent of one, with the scope `{scope}`")


def scoped_on(least: Plan | str, scope: str) -> Callable[[Request], Caller]:
    """Signed in, on at least this plan, with a credential that carries `scope`. The plan is told first."""
    wanted = Plan(least)

    def rule(caller: Caller) -> None:
        _require(caller, caller.has_plan(wanted), f"This needs the plan {wanted} or a higher one.")
        _require(caller, caller.may(scope), f"This needs the scope {scope}.")

    return _dependency(rule, f"the plan {wanted} or a higher one, and the scope `{scope}`")


def staff(scope: str) -> Callable[[Request], Caller]:
    """Administrators, and services whose token carries `scope` or is good for the whole internal API."""
    internal = f"internal:{scope.partition(':')[0]}"

    def rule(caller: Caller) -> None:
        trusted = caller.role is Role.SERVICE and (caller.may(scope) or caller.may(internal))
        _require(
            caller,
            caller.role is Role.ADMIN or trusted,
            f"This is for administrators, and for services with the scope {scope}.",
        )

    return _dependency(rule, f"an administrator, or a service token with the scope `{scope}` or `internal:*`")


def plan(least: Plan | str) -> Callable[[Request], Caller]:
    """Signed in, on at least this plan."""
    wanted = Plan(least)
    return _dependency(
        lambda caller: _require(caller, caller.has_plan(wanted), f"This needs the plan {wanted} or a higher one."),
        f"the plan {wanted} or a higher one",
    )


def viewer(request: Request) -> str:
    """A dependency: the client's address, for routes that do not ask who calls."""
    return viewer_address(request.resolved_event.raw_event, request.headers)


viewer.of_exchange = lambda exchange: exchange.caller.address  # type: ignore[attr-defined]
