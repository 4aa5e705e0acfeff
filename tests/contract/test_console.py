"""The pages as a browser gets them: whole, from this host alone, usable without a mouse. # 266"""

import json
import re
from html.parser import HTMLParser

import pytest

from gpubroker.console import pages
from infra import problems
from tests.contract.house import House, Reply

PATHS = ("/", "/auth/login", "/auth/register", "/docs", "/docs/problems")
FIELDS = {"input", "select", "textarea"}


class Page(HTMLParser):
    """What the tests ask of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.unlabelled: list[str] = []
        self._inside_label = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self.tags.append((tag, attributes))
        if attributes.get("id"):
            self.ids.append(str(attributes["id"]))
        self._inside_label += tag == "label"
        if tag in FIELDS and not self._inside_label:
            self.unlabelled.append(str(attributes.get("name")))

    def handle_endtag(self, tag: str) -> None:
        self._inside_label -= tag == "label"

    def all(self, attribute: str) -> list[str]:
        return [str(attributes[attribute]) for _, attributes in self.tags if attributes.get(attribute)]


def _page(house: House, path: str) -> tuple[Reply, Page]:
    reply = house.call("GET", path)
    assert reply.status == 200
    return reply, Page(reply.text)


@pytest.mark.parametrize("path", PATHS)
def test_a_page_is_html_with_a_language_a_title_and_a_heading(house: House, path: str) -> None:
    reply, page = _page(house, path)
    assert reply.headers["content-type"] == "text/html; charset=utf-8"
    tags = [tag for tag, _ in page.tags]
    assert ("html", {"lang": "en"}) in page.tags
    assert tags.count("title") == 1
    assert tags.count("main") == 1
    assert len(page.ids) == len(set(page.ids))
    assert page.unlabelled == []
    assert ("noscript" in tags) is ("script" in tags)


@pytest.mark.parametrize("path", PATHS)
def test_a_page_loads_nothing_from_elsewhere_and_runs_no_script_of_its_own_text(house: House, path: str) -> None:
    reply, page = _page(house, path)
    assert all(link.startswith(("/", "#")) for link in [*page.all("src"), *page.all("href")])
    assert all(attributes.get("src") for tag, attributes in page.tags if tag == "script")
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on") or name == "style"]
    policy = reply.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers["x-frame-options"] == "DENY"


@pytest.mark.parametrize("path", PATHS)
def test_every_link_of_a_page_leads_somewhere(house: House, path: str) -> None:
    _, page = _page(house, path)
    for link in {*page.all("src"), *page.all("href")}:
        target, _, fragment = link.partition("#")
        if target:
            reply = house.call("GET", target)
            assert reply.status == 200, link
            ids = Page(reply.text).ids if fragment else []
        else:
            ids = page.ids
        assert not fragment or fragment in ids, link


def test_every_element_that_a_script_asks_for_is_there(house: House) -> None:
    for path, scripts in {"/": ("home.js", "rent.js"), "/auth/login": ("account.js",)}.items():
        _, page = _page(house, path)
        for script in scripts:
            text = house.call("GET", f"/assets/{script}").text
            wanted = set(re.findall(r"""(?:getElementById|byId|find)\("([\w-]+)"\)""", text))
            assert wanted <= set(page.ids), script


@pytest.mark.parametrize("path", ["/auth/login", "/auth/register"])
def test_the_forms_post_to_the_api_with_fields_that_it_takes(house: House, path: str) -> None:
    _, page = _page(house, path)
    (action,) = page.all("action")
    names = [str(attributes["name"]) for tag, attributes in page.tags if tag in FIELDS]
    assert set(names) == {"email", "password"}
    reply = house.call("POST", action, body={"email": "not an address", "password": ""})
    fields = {error["field"] for error in reply.json()["errors"]}
    assert reply.status == 422
    assert fields <= set(names)


def test_the_password_rule_of_the_page_is_the_api_s(house: House) -> None:
    _, page = _page(house, "/auth/register")
    (least,) = page.all("minlength")
    for length, status in ((int(least) - 1, 422), (int(least), 202)):
        body = {"email": f"rule{length}@example.com", "password": "q7Rz2mKd9wLx4vTb"[:length]}
        assert house.call("POST", "/api/v2/auth/register", body=body).status == status


@pytest.mark.parametrize("path", [*PATHS, "/openapi.json", "/assets/style.css"])
def test_a_page_that_one_has_is_not_sent_again(house: House, path: str) -> None:
    first = house.call("GET", path)
    again = house.call("GET", path, headers={"if-none-match": first.headers["etag"]})
    assert (again.status, again.text) == (304, "")
    assert again.headers["etag"] == first.headers["etag"]
    assert first.headers["cache-control"].startswith("public, max-age=")


def test_a_page_is_the_same_with_and_without_credentials(house: House) -> None:
    """So the edge may keep it, and a credential that has ended does not lock anybody out of logging in."""
    assert house.call("GET", "/auth/login", token="of.long.ago").text == house.call("GET", "/auth/login").text


def test_the_document_is_served_and_read_by_the_page_that_explores_it(house: House) -> None:
    assert json.loads(house.call("GET", "/openapi.json").text)["openapi"] == "3.1.0"
    assert '"/openapi.json"' in house.call("GET", "/assets/docs.js").text
    assert "SwaggerUIBundle" in house.call("GET", "/assets/swagger-ui.js").text


def test_the_type_of_every_problem_leads_to_its_place_on_the_page_of_problems(house: House) -> None:
    assert problems.PAGE.read_text(encoding="utf-8") == problems.text(), "run `make openapi` and commit"
    _, page = _page(house, "/docs/problems")
    assert {kind.code for kind in problems.kinds()} <= set(page.ids)
    for path, status in (("/api/v2/providers?limit=0", 422), ("/api/v2/rentals", 401), ("/nowhere", 404)):
        reply = house.call("GET", path)
        target, _, anchor = reply.json()["type"].partition("#")
        assert (reply.status, target, anchor in page.ids) == (status, "/docs/problems", True)


@pytest.mark.parametrize("name", ["home.html", "..%2Fpages.py", "pages.py", "%2Fetc%2Fpasswd", "style.css%00", ""])
def test_only_assets_are_served_as_such(house: House, name: str) -> None:
    assert house.call("GET", f"/assets/{name}").status == 404


def test_logging_in_leads_back_to_this_host_only() -> None:
    """The script takes `next` as a path; what a browser makes of other hosts is checked against URL's own rules."""
    script = pages.asset("account.js")
    assert script is not None
    assert 'if (!wanted.startsWith("/")) return "/";' in script.text
    assert "url.origin === location.origin" in script.text
