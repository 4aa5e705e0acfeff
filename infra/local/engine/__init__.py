"""The embedded AWS engine of the local cloud: a pinned `ministack`, plus the patches that make it behave like AWS.

`python -m infra.local.engine --port 4566 --data .local/engine` serves every AWS service on one port of the loopback
interface. The patches are bound to the engine's internals, so any other version of it is refused.
"""

from importlib.metadata import PackageNotFoundError, version

PINNED = "1.5.33"


class WrongEngineError(RuntimeError):
    """The installed engine is not the one that the patches were written for."""


def check_version() -> None:
    """Refuse to go on with an engine that the patches do not fit."""
    try:
        installed = version("ministack")
    except PackageNotFoundError:
        raise WrongEngineError(f"ministack is not installed; run: pip install 'ministack=={PINNED}'") from None
    if installed != PINNED:
        raise WrongEngineError(
            f"ministack {installed} is installed, but the patches in infra/local/engine fit {PINNED} only; "
            f"run: pip install 'ministack=={PINNED}'"
        )
