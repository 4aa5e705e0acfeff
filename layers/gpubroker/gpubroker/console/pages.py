"""Files that the console serves, read once and kept: our own pages and Swagger UI from inside Powertools.

Nothing comes from another host, so the content policy can be strict and the pages work without the internet.
"""

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType

_OURS = "gpubroker.console.static"
_SWAGGER = "aws_lambda_powertools.event_handler.openapi.swagger_ui"

_HTML = "text/html; charset=utf-8"
_CSS = "text/css; charset=utf-8"
_SCRIPT = "text/javascript; charset=utf-8"

# Seconds that browsers and the edge may keep a page or one of its assets without asking again.
PAGE_SECONDS = 60
ASSET_SECONDS = 3600

# name -> (package, file, content type)
PAGES = MappingProxyType(
    {
        "home": (_OURS, "home.html", _HTML),
        "login": (_OURS, "login.html", _HTML),
        "register": (_OURS, "register.html", _HTML),
        "docs": (_OURS, "docs.html", _HTML),
        "problems": (_OURS, "problems.html", _HTML),
        "openapi": (_OURS, "openapi.json", "application/json"),
    }
)
ASSETS = MappingProxyType(
    {
        "style.css": (_OURS, "style.css", _CSS),
        "home.js": (_OURS, "home.js", _SCRIPT),
        "rent.js": (_OURS, "rent.js", _SCRIPT),
        "account.js": (_OURS, "account.js", _SCRIPT),
        "docs.js": (_OURS, "docs.js", _SCRIPT),
        "icon.svg": (_OURS, "icon.svg", "image/svg+xml"),
        "swagger-ui.css": (_SWAGGER, "swagger-ui.min.css", _CSS),
        "swagger-ui.js": (_SWAGGER, "swagger-ui-bundle.min.js", _SCRIPT),
    }
)

# Swagger UI sets style attributes and draws its icons from data: addresses; scripts are files of ours only. 'self' is
# the WebSocket of this host as well (CSP 3, "Does url match expression in origin").
_CONTENT_POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ]
)
SECURITY_HEADERS = MappingProxyType(
    {
        "content-security-policy": _CONTENT_POLICY,
        "cross-origin-opener-policy": "same-origin",
        "permissions-policy": "camera=(), geolocation=(), microphone=()",
        "referrer-policy": "same-origin",
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
    }
)


@dataclass(frozen=True, slots=True)
class Page:
    """One file, ready to be sent. tag: a strong ETag of its bytes (RFC 9110 §8.8.3)."""

    text: str
    content_type: str
    tag: str
    seconds: int

    def headers(self) -> dict[str, str]:
        """The headers of an answer with, or instead of, the text."""
        return {**SECURITY_HEADERS, "etag": self.tag, "cache-control": f"public, max-age={self.seconds}"}


@cache
def _read(package: str, name: str, content_type: str, seconds: int) -> Page:
    text = (files(package) / name).read_text(encoding="utf-8")
    return Page(text, content_type, f'"{hashlib.sha256(text.encode()).hexdigest()[:20]}"', seconds)


def page(name: str) -> Page:
    """A page by its name in PAGES."""
    return _read(*PAGES[name], PAGE_SECONDS)


def asset(name: str) -> Page | None:
    """An asset by its name in ASSETS; None for every other name, whatever files there are."""
    found = ASSETS.get(name)
    return _read(*found, ASSET_SECONDS) if found else None
