"""The path table of the one domain."""

from pathlib import Path

import pytest

from infra.local import paths


def table(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "paths.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("path", "context", "api"),
    [
        ("/api/v2/providers", "offers", "public"),
        ("/api/v2/providers/", "offers", "public"),
        ("/api/v2/providers/vastai-abc", "offers", "public"),
        ("/api/v2/users/favorites", "offers", "public"),
        ("/api/v2/users/me", "identity", "public"),
        ("/api/v2/rentals/ren_1/scale", "rentals", "public"),
        ("/internal/v1/auth/validate-token", "identity", "internal"),
        ("/internal/v1/providers/stats", "offers", "internal"),
        ("/health", "offers", "public"),
        ("/", "console", "public"),
        ("/auth/login", "console", "public"),
        ("/healthy", "console", "public"),
    ],
)
def test_a_path_belongs_to_the_first_prefix_that_holds_it_whole(path, context, api):
    route = paths.find(paths.read(), path)
    assert route is not None
    assert (route.context, route.api) == (context, api)


def test_a_prefix_ends_at_a_slash():
    route = paths.Route("/api/v2/users", "identity", "public")
    assert not route.matches("/api/v2/usersettings")
    assert route.matches("/api/v2/users/")


def test_a_line_that_no_request_can_reach_is_refused(tmp_path):
    path = table(tmp_path, "- {prefix: /a, context: x, api: public}\n- {prefix: /a/b, context: y, api: public}\n")
    with pytest.raises(ValueError, match="behind a prefix"):
        paths.read(path)


@pytest.mark.parametrize("line", ["{prefix: /a/, context: x, api: public}", "{prefix: /a, context: x, api: secret}"])
def test_a_line_that_means_nothing_is_refused(tmp_path, line):
    with pytest.raises(ValueError, match=r"paths\.yaml"):
        paths.read(table(tmp_path, f"- {line}\n"))
