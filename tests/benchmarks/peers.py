"""`python tests/benchmarks/peers.py`: an environment for the peers, inside the project's own and never mixed with it.

The peers bring 30 distributions (numpy, scipy, pandas, matplotlib ...), and gpuhunt installs its own tests as a
top-level package `tests`, which would hide ours. So they live in `.venv/bench`, which sees all of `.venv` behind
itself: the peers run in one process with our code, on the very versions that our code is tested with.
"""

import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HOME = ROOT / ".venv" / "bench"


def requirements() -> list[str]:
    """The extra `bench` of pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return list(project["optional-dependencies"]["bench"])


def install(home: Path = HOME) -> None:
    """Make the environment, or bring it up to date. What `.venv` has already is used from there."""
    outer = Path(sysconfig.get_paths()["purelib"])
    python = home / "bin" / "python"
    if not python.exists():
        venv.create(home, with_pip=True)
    inner = home / outer.relative_to(sys.prefix)
    # addsitedir rather than a path, so that the outer environment's own .pth files (our packages) count too.
    (inner / "outer.pth").write_text(f"import site; site.addsitedir({str(outer)!r})\n", encoding="utf-8")
    command = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", *requirements()]
    subprocess.run(command, check=True)
    for packages in (inner, outer):  # the outer one too, should somebody have installed the extra there
        shutil.rmtree(packages / "tests", ignore_errors=True)


if __name__ == "__main__":
    install()
