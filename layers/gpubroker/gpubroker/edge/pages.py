"""How a static page is answered: whole, or as 304 to someone who has it already (RFC 9110 §13.1.2)."""

from typing import Any

from gpubroker.console.pages import Page
from gpubroker.edge.http import Answer


def answer(page: Page, if_none_match: str | None) -> Answer:
    """The answer to a GET for a page. if_none_match: the request's header of that name."""
    known = {tag.strip().removeprefix("W/") for tag in (if_none_match or "").split(",")}
    if page.tag in known or "*" in known:
        return Answer(None, status=304, headers=page.headers(), content_type=page.content_type)
    return Answer(page.text, headers=page.headers(), content_type=page.content_type)


def documented(content_type: str) -> dict[int, Any]:
    """What a route says of a page in the API document."""
    kind = "object" if content_type == "application/json" else "string"
    return {
        200: {"description": "The file.", "content": {content_type: {"schema": {"type": kind}}}},
        304: {"description": "As you have it."},
    }
