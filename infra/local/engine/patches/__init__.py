"""One module a patch; importing the module does nothing, `apply()` puts the patch in place.

Each module's docstring names the AWS behaviour that it restores and where AWS documents it.
"""

from importlib import import_module

NAMES = (
    "nested_stacks",
    "openapi_body",
    "generated_secrets",
    "secret_versions",
    "workers",
    "stream_sources",
    "queue_sources",
    "event_targets",
    "workflows",
    "permission_resources",
    "tables",
    "table_queries",
    "http_requests",
    "websocket_handshakes",
    "bounded_memory",
    "saved_state",
)


def apply_all() -> None:
    """Apply every patch, in order. Raises PatchMisfitError when one does not fit the engine."""
    for name in NAMES:
        import_module(f"{__name__}.{name}").apply()
