"""Which scopes exist, which role may hold which, and which endpoints a scope opens.

The only list of scopes in the house. A scope is `<area>:<act>`; `<area>:*` covers its whole area. Names that are
asked for in routes and not listed here cannot be granted to anybody.
"""

from collections.abc import Iterable

OFFERS_READ = "offers:read"
RENTALS_READ = "rentals:read"
RENTALS_WRITE = "rentals:write"
FAVORITES_WRITE = "favorites:write"
WEBHOOKS_READ = "webhooks:read"
WEBHOOKS_WRITE = "webhooks:write"
ALERTS_READ = "alerts:read"
ALERTS_WRITE = "alerts:write"
NOTIFICATIONS_MANAGE = "notifications:manage"
KEYS_MANAGE = "keys:manage"
INTEGRATIONS_MANAGE = "integrations:manage"
USAGE_READ = "usage:read"
USAGE_WRITE = "usage:write"
ACCOUNTS_READ = "accounts:read"
ACCOUNTS_WRITE = "accounts:write"
ACCOUNTS_DEDUCT = "accounts:deduct"
BILLING_READ = "billing:read"
BILLING_WRITE = "billing:write"
MANAGEMENT_READ = "management:read"
MANAGEMENT_WRITE = "management:write"
ADMIN_ALL = "admin:*"
INTERNAL_ALL = "internal:*"

SCOPES: dict[str, str] = {
    OFFERS_READ: "Read, query and rank offers",
    RENTALS_READ: "Read one's rentals and how to connect to them",
    RENTALS_WRITE: "Request, scale and end rentals",
    FAVORITES_WRITE: "Keep favourite offers",
    WEBHOOKS_READ: "See webhooks and what was delivered to them",
    WEBHOOKS_WRITE: "Make, change, test, replay and delete webhooks",
    ALERTS_READ: "Read one's price alerts",
    ALERTS_WRITE: "Make, change and delete price alerts",
    NOTIFICATIONS_MANAGE: "Read one's notifications, and say how to be told",
    KEYS_MANAGE: "Make, list and revoke API keys",
    INTEGRATIONS_MANAGE: "Save, list and remove one's own keys at providers",
    USAGE_READ: "Read what one's instances use; services, anybody's",
    USAGE_WRITE: "Send usage events, for anybody",
    ACCOUNTS_READ: "See balances, activity, deposits, withdrawals and organisations; for services, everybody's",
    ACCOUNTS_WRITE: "Ask for deposits and withdrawals, set budgets, run organisations",
    ACCOUNTS_DEDUCT: "Take credits from accounts, for services",
    BILLING_READ: "Read one's price plan, discounts, credits, invoices and payments; services, anybody's",
    BILLING_WRITE: "Redeem promotions, and manage how one pays",
    MANAGEMENT_READ: "Read orders, transactions, fees, clusters, audit and analytics",
    MANAGEMENT_WRITE: "Tell the management tier of orders, transactions, resources, clusters and events; have settled",
    ADMIN_ALL: "Administer users, plans, service accounts and accounts of money",
    INTERNAL_ALL: "Call the internal API",
}

_AGENT = frozenset(
    {
        OFFERS_READ,
        RENTALS_READ,
        RENTALS_WRITE,
        FAVORITES_WRITE,
        ALERTS_READ,
        ALERTS_WRITE,
        WEBHOOKS_READ,
        WEBHOOKS_WRITE,
        USAGE_READ,
        ACCOUNTS_READ,
        BILLING_READ,
    }
)
_USER = _AGENT | {NOTIFICATIONS_MANAGE, INTEGRATIONS_MANAGE, KEYS_MANAGE, ACCOUNTS_WRITE, BILLING_WRITE}

# What a role may hold at most; a credential holds this or less. Only services reach the internal API.
_GRANTABLE: dict[str, frozenset[str]] = {
    "user": _USER,
    "admin": _USER | {ADMIN_ALL},
    "agent": _AGENT,
    "service": frozenset(
        {
            OFFERS_READ,
            RENTALS_READ,
            ACCOUNTS_READ,
            ACCOUNTS_DEDUCT,
            BILLING_READ,
            MANAGEMENT_READ,
            MANAGEMENT_WRITE,
            USAGE_READ,
            USAGE_WRITE,
            INTERNAL_ALL,
        }
    ),
}

# (method, path) that a credential with the scope may call (305).
ENDPOINTS: dict[str, tuple[tuple[str, str], ...]] = {
    OFFERS_READ: (
        ("GET", "/api/v2/providers"),
        ("GET", "/api/v2/providers/{offer_id}"),
        ("POST", "/api/v2/providers/query"),
        ("POST", "/api/v2/providers/bulk/query"),
        ("POST", "/api/v2/providers/decide"),
        ("GET", "/api/v2/providers/ranking"),
        ("GET", "/api/v2/providers/health"),
    ),
    RENTALS_READ: (("GET", "/api/v2/rentals"), ("GET", "/api/v2/rentals/{rental_id}")),
    RENTALS_WRITE: (
        ("POST", "/api/v2/rentals"),
        ("POST", "/api/v2/rentals/provision"),
        ("POST", "/api/v2/rentals/{rental_id}/scale"),
        ("DELETE", "/api/v2/rentals/{rental_id}"),
    ),
    FAVORITES_WRITE: (
        ("GET", "/api/v2/users/favorites"),
        ("POST", "/api/v2/users/favorites"),
        ("DELETE", "/api/v2/users/favorites/{offer_id}"),
    ),
    WEBHOOKS_READ: (
        ("GET", "/api/v2/webhooks"),
        ("GET", "/api/v2/webhooks/{webhook_id}"),
        ("GET", "/api/v2/webhooks/{webhook_id}/deliveries"),
        ("GET", "/api/v2/webhooks/{webhook_id}/deliveries/{delivery_id}"),
    ),
    WEBHOOKS_WRITE: (
        ("POST", "/api/v2/webhooks"),
        ("PATCH", "/api/v2/webhooks/{webhook_id}"),
        ("DELETE", "/api/v2/webhooks/{webhook_id}"),
        ("POST", "/api/v2/webhooks/{webhook_id}/secret/rotate"),
        ("POST", "/api/v2/webhooks/{webhook_id}/test"),
        ("POST", "/api/v2/webhooks/{webhook_id}/replay"),
        ("POST", "/api/v2/webhooks/{webhook_id}/deliveries/{delivery_id}/replay"),
    ),
    ALERTS_READ: (("GET", "/api/v2/alerts"), ("GET", "/api/v2/alerts/{alert_id}")),
    ALERTS_WRITE: (
        ("POST", "/api/v2/alerts"),
        ("PATCH", "/api/v2/alerts/{alert_id}"),
        ("DELETE", "/api/v2/alerts/{alert_id}"),
    ),
    NOTIFICATIONS_MANAGE: (
        ("GET", "/api/v2/notifications"),
        ("POST", "/api/v2/notifications/{notification_id}/read"),
        ("POST", "/api/v2/notifications/read-all"),
        ("GET", "/api/v2/notifications/preferences"),
        ("PUT", "/api/v2/notifications/preferences"),
        ("GET", "/api/v2/notifications/devices"),
        ("POST", "/api/v2/notifications/devices"),
        ("DELETE", "/api/v2/notifications/devices/{device_id}"),
    ),
    KEYS_MANAGE: (
        ("GET", "/api/v2/auth/api-keys"),
        ("POST", "/api/v2/auth/api-keys"),
        ("DELETE", "/api/v2/auth/api-keys/{key_id}"),
    ),
    INTEGRATIONS_MANAGE: (
        ("GET", "/api/v2/providers/config/integrations"),
        ("POST", "/api/v2/providers/config/integrations"),
        ("DELETE", "/api/v2/providers/config/integrations/{provider}"),
    ),
    USAGE_READ: (
        ("GET", "/api/v1/usage/instances/{instance_id}/current"),
        ("GET", "/api/v1/usage/instances/{instance_id}/history"),
        ("GET", "/api/v1/usage/users/{user_id}/current"),
        ("GET", "/api/v1/usage/users/{user_id}/history"),
        ("GET", "/api/v1/usage/organizations/{org_id}/history"),
    ),
    USAGE_WRITE: (("POST", "/api/v1/usage/events"),),
    ACCOUNTS_READ: (
        ("GET", "/api/v1/accounts/{account_id}"),
        ("GET", "/api/v1/accounts/{account_id}/balance"),
        ("GET", "/api/v1/accounts/{account_id}/activity"),
        ("GET", "/api/v1/accounts/{account_id}/deposits"),
        ("GET", "/api/v1/accounts/{account_id}/deposits/{deposit_id}"),
        ("GET", "/api/v1/accounts/{account_id}/withdrawals"),
        ("GET", "/api/v1/accounts/{account_id}/withdrawals/{withdrawal_id}"),
        ("GET", "/api/v1/organizations"),
        ("GET", "/api/v1/organizations/{org_id}"),
        ("GET", "/api/v1/organizations/{org_id}/members"),
    ),
    ACCOUNTS_WRITE: (
        ("PUT", "/api/v1/accounts/{account_id}/budget"),
        ("POST", "/api/v1/accounts/{account_id}/deposits"),
        ("POST", "/api/v1/accounts/{account_id}/deposits/{deposit_id}/cancel"),
        ("POST", "/api/v1/accounts/{account_id}/withdrawals"),
        ("POST", "/api/v1/accounts/{account_id}/withdrawals/{withdrawal_id}/cancel"),
        ("POST", "/api/v1/organizations"),
        ("PATCH", "/api/v1/organizations/{org_id}"),
        ("DELETE", "/api/v1/organizations/{org_id}"),
        ("POST", "/api/v1/organizations/{org_id}/members"),
        ("PATCH", "/api/v1/organizations/{org_id}/members/{member_id}"),
        ("DELETE", "/api/v1/organizations/{org_id}/members/{member_id}"),
    ),
    ACCOUNTS_DEDUCT: (("POST", "/api/v1/accounts/{account_id}/deduct"),),
    BILLING_READ: (
        ("GET", "/api/v1/billing/accounts/{account_id}/plan"),
        ("GET", "/api/v1/billing/accounts/{account_id}/discounts"),
        ("GET", "/api/v1/billing/accounts/{account_id}/credits"),
        ("GET", "/api/v1/billing/payment-methods"),
        ("GET", "/api/v1/billing/payments"),
        ("GET", "/api/v1/billing/payments/{payment_id}"),
        ("GET", "/api/v1/billing/invoices"),
        ("GET", "/api/v1/billing/invoices/{invoice_id}"),
        ("GET", "/api/v1/billing/invoices/{invoice_id}/pdf"),
        ("GET", "/api/v1/billing/invoices/{invoice_id}/csv"),
        ("GET", "/api/v1/billing/invoices/{invoice_id}/credit-notes"),
        ("GET", "/api/v1/billing/invoices/{invoice_id}/lines/{line}/events"),
        ("GET", "/api/v1/billing/usage-events/{event_id}"),
    ),
    BILLING_WRITE: (
        ("POST", "/api/v1/billing/promotions/{code}/redeem"),
        ("POST", "/api/v1/billing/payment-methods"),
        ("DELETE", "/api/v1/billing/payment-methods/{payment_method_id}"),
    ),
    MANAGEMENT_READ: (
        ("GET", "/api/management/integration/analytics/counts"),
        ("GET", "/api/management/integration/audit/events"),
        ("GET", "/api/management/integration/clusters"),
        ("GET", "/api/management/integration/fees/config"),
        ("GET", "/api/management/integration/fees/config/versions"),
        ("GET", "/api/management/integration/orders"),
        ("GET", "/api/management/integration/orders/{order_id}"),
        ("GET", "/api/management/integration/resources"),
        ("GET", "/api/management/integration/settlement/{transaction_id}"),
        ("GET", "/api/management/integration/transactions"),
        ("GET", "/api/management/integration/transactions/{transaction_id}"),
    ),
    MANAGEMENT_WRITE: (
        ("POST", "/api/management/integration/analytics/ingest"),
        ("POST", "/api/management/integration/audit/log"),
        ("POST", "/api/management/integration/clusters"),
        ("DELETE", "/api/management/integration/clusters/{cluster_id}"),
        ("POST", "/api/management/integration/orders/update"),
        ("POST", "/api/management/integration/payouts/{payout_id}/result"),
        ("POST", "/api/management/integration/resources/sync"),
        ("POST", "/api/management/integration/settlement/execute"),
        ("POST", "/api/management/integration/transactions/update"),
    ),
    ADMIN_ALL: (
        ("PUT", "/api/management/integration/fees/config"),
        ("GET", "/api/management/integration/payees/{seller}"),
        ("PUT", "/api/management/integration/payees/{seller}"),
        ("GET", "/api/management/integration/payouts/files"),
        ("GET", "/api/management/integration/payouts/files/{file_id}"),
        ("POST", "/api/management/integration/settlement/{transaction_id}/rerun"),
        ("POST", "/api/management/integration/settlement/{transaction_id}/reverse"),
        ("GET", "/api/v2/admin/users"),
        ("GET", "/api/v2/admin/users/{user_id}"),
        ("PUT", "/api/v2/admin/users/{user_id}/plan"),
        ("PUT", "/api/v2/admin/users/{user_id}/status"),
        ("GET", "/api/v2/admin/rentals/switch"),
        ("PUT", "/api/v2/admin/rentals/switch"),
        ("GET", "/api/v1/usage/thresholds"),
        ("POST", "/api/v1/usage/thresholds"),
        ("GET", "/api/v1/usage/thresholds/{threshold_id}"),
        ("PATCH", "/api/v1/usage/thresholds/{threshold_id}"),
        ("DELETE", "/api/v1/usage/thresholds/{threshold_id}"),
        ("GET", "/api/v1/usage/thresholds/{threshold_id}/crossings"),
        ("GET", "/api/management/integration/economics"),
        ("POST", "/api/v1/accounts/{account_id}/credit"),
        ("POST", "/api/v1/accounts/{account_id}/freeze"),
        ("POST", "/api/v1/accounts/{account_id}/unfreeze"),
        ("POST", "/api/v1/accounts/{account_id}/close"),
        ("PUT", "/api/v1/accounts/{account_id}/credit-limit"),
        ("POST", "/api/v1/accounts/{account_id}/withdrawals/{withdrawal_id}/decision"),
        ("GET", "/api/v1/accounts/withdrawals"),
        ("POST", "/api/v1/accounts/transfers/{transfer_id}/reverse"),
        ("POST", "/api/v1/billing/plans"),
        ("DELETE", "/api/v1/billing/plans/{plan_id}"),
        ("POST", "/api/v1/billing/plans/{plan_id}/versions"),
        ("DELETE", "/api/v1/billing/plans/{plan_id}/versions/{version}"),
        ("PUT", "/api/v1/billing/accounts/{account_id}/plan"),
        ("GET", "/api/v1/billing/promotions"),
        ("POST", "/api/v1/billing/promotions"),
        ("DELETE", "/api/v1/billing/promotions/{code}"),
        ("POST", "/api/v1/billing/accounts/{account_id}/discounts"),
        ("DELETE", "/api/v1/billing/accounts/{account_id}/discounts/{discount_id}"),
        ("POST", "/api/v1/billing/accounts/{account_id}/credits"),
        ("DELETE", "/api/v1/billing/accounts/{account_id}/credits/{credit_id}"),
        ("GET", "/api/v1/usage/thresholds"),
        ("POST", "/api/v1/usage/thresholds"),
        ("GET", "/api/v1/usage/thresholds/{threshold_id}"),
        ("PATCH", "/api/v1/usage/thresholds/{threshold_id}"),
        ("DELETE", "/api/v1/usage/thresholds/{threshold_id}"),
        ("GET", "/api/v1/usage/thresholds/{threshold_id}/crossings"),
        ("GET", "/api/management/integration/economics"),
        ("POST", "/api/v1/billing/invoices/run"),
        ("POST", "/api/v1/billing/payments/{payment_id}/refund"),
        ("POST", "/api/v1/billing/invoices/{invoice_id}/credit-notes"),
        ("POST", "/api/v1/billing/invoices/{invoice_id}/void"),
        ("GET", "/api/v2/auth/service-accounts"),
        ("POST", "/api/v2/auth/service-accounts"),
        ("POST", "/api/v2/auth/service-accounts/{service_id}/secret"),
        ("DELETE", "/api/v2/auth/service-accounts/{service_id}"),
    ),
    INTERNAL_ALL: (
        ("POST", "/internal/v1/auth/validate-token"),
        ("GET", "/internal/v1/auth/service-permissions/{service_id}"),
        ("GET", "/internal/v1/providers/stats"),
        ("GET", "/internal/v1/providers/health-summary"),
        ("GET", "/internal/v1/providers/pricing/{offer_id}"),
        ("POST", "/internal/v1/rentals/cost-estimate"),
        ("POST", "/internal/v1/rentals/finalize"),
        ("POST", "/internal/v1/notifications/price-alert"),
        ("POST", "/internal/v1/notifications/rental-status"),
        ("POST", "/internal/v1/ledger/holds"),
        ("GET", "/internal/v1/ledger/holds/{hold_id}"),
        ("POST", "/internal/v1/ledger/holds/{hold_id}/capture"),
        ("POST", "/internal/v1/ledger/holds/{hold_id}/void"),
        ("POST", "/internal/v1/ledger/transfers"),
        ("GET", "/internal/v1/ledger/transfers/{transfer_id}"),
    ),
}

# Requests a second by plan (R4.1, 198); the limiter enforces them, this is what a caller is told.
REQUESTS_PER_SECOND = {"free": 10, "pro": 100, "enterprise": 1000}


def grantable(role: str) -> frozenset[str]:
    """All that a credential of this role may ever hold."""
    return _GRANTABLE[role]


def refused(scopes: Iterable[str], allowed: Iterable[str]) -> list[str]:
    """The scopes asked for beyond those allowed, sorted; unknown ones are among them."""
    return sorted(set(scopes) - set(allowed))


def endpoints_of(scopes: Iterable[str]) -> list[dict[str, str]]:
    """The endpoints that these scopes open, in the order of this table."""
    held = set(scopes)
    return [
        {"method": method, "path": path}
        for scope, endpoints in ENDPOINTS.items()
        if scope in held
        for method, path in endpoints
    ]
