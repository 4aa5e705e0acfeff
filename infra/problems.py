"""The page /docs/problems: each `type` that a problem document may have, read from the classes that are raised.

`make openapi` writes it; tests/contract compares the committed page with what this module makes.
"""

import importlib
import pkgutil
import sys
from collections.abc import Iterator
from html import escape

import gpubroker
from gpubroker.edge import problems
from gpubroker.kernel.errors import Problem
from infra.openapi import ROOT, endpoints

PAGE = ROOT / "layers" / "gpubroker" / "gpubroker" / "console" / "static" / "problems.html"

# What somebody who reads one can do about it, by status.
ADVICE = {
    400: "The request cannot be read: mend it, then send it again.",
    401: "Send valid credentials: log in again, or use another key.",
    402: "There is not enough money for it, or it may not be spent on it: add money, or ask who sets the budget.",
    403: "Known, and not allowed to: another scope, role or plan is needed.",
    404: "There is no such thing, or it is somebody else's.",
    405: "The header Allow names the methods that this path takes.",
    409: "What was asked for does not fit the state of things: read it again, then decide.",
    410: "It was there and will not come back.",
    413: "Send less at once.",
    422: "Readable and wrong: errors names each field where one is to blame.",
    429: "Slow down: the header Retry-After says when to come back.",
    500: "Our fault. Report it with the id in instance.",
    503: "Try again later, after Retry-After where there is one.",
    504: "Something behind this API was too slow. Try again; with the same Idempotency-Key nothing is done twice.",
}

_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Problems · GPUBROKER</title>
<link rel="icon" href="/assets/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/assets/style.css">
</head>
<body>
<header class="top">
  <a class="name" href="/">GPUBROKER</a>
  <nav aria-label="Main"><ul>
    <li><a href="/#market">Market</a></li>
    <li><a href="/docs">Reference</a></li>
    <li><a href="/docs/problems">Problems</a></li>
  </ul></nav>
</header>
<main>
<h1>Problems</h1>
<p class="lead">What is refused is told as a problem document (RFC 9457). Its type leads here; it is stable, and what a
program should look at.</p>
{sections}
</main>
</body>
</html>
"""
_SECTION = """\
<h2 id="status-{status}">{status}</h2>
<p>{advice}</p>
<div class="scroll"><table>
<thead><tr><th scope="col">type</th><th scope="col">title</th></tr></thead>
<tbody>
{rows}
</tbody>
</table></div>"""
_ROW = '<tr id="{code}"><td><a href="#{code}"><code>{code}</code></a></td><td>{titles}</td></tr>'


def _subclasses(kind: type[Problem]) -> Iterator[type[Problem]]:
    for subclass in kind.__subclasses__():
        yield subclass
        yield from _subclasses(subclass)


def kinds() -> list[type[Problem]]:
    """Every kind of problem that the product raises; those of tests are none of them."""
    for module in pkgutil.walk_packages(gpubroker.__path__, "gpubroker."):
        importlib.import_module(module.name)
    endpoints()
    ours = {"gpubroker", *(path.name for path in (ROOT / "functions").iterdir())}
    return [kind for kind in _subclasses(Problem) if kind.__module__.partition(".")[0] in ours]


def text() -> str:
    """The page. One code may have several titles, by what was tried, but has one status. Raises ValueError if not."""
    titles: dict[str, set[str]] = {}
    statuses: dict[str, int] = {}
    for kind in kinds():
        titles.setdefault(kind.code, set()).add(kind.title)
        status = problems.status_of(kind())
        if statuses.setdefault(kind.code, status) != status:
            raise ValueError(f"{kind.code} is answered as {statuses[kind.code]} and as {status}")
    sections = [
        _SECTION.format(
            status=status,
            advice=escape(ADVICE[status], quote=False),
            rows="\n".join(
                _ROW.format(code=code, titles="<br>".join(escape(title, quote=False) for title in sorted(titles[code])))
                for code in sorted(titles)
                if statuses[code] == status
            ),
        )
        for status in sorted(set(statuses.values()))
    ]
    return _PAGE.format(sections="\n".join(sections))


def main() -> None:
    PAGE.write_text(text(), encoding="utf-8")
    sys.stdout.write(f"{PAGE.relative_to(ROOT)}: {len({kind.code for kind in kinds()})} types\n")


if __name__ == "__main__":
    main()
