"""What a function loads before its first request: nothing that the warm path does not use.

INIT is billed and waited for; each of these costs 20 to 150 ms here (a DynamoDB client alone 137 to 372 ms). They are
imported where they are first used.
"""

import pkgutil
import subprocess
import sys

import pytest

from gpubroker import composition

HEAVY = ("aws_xray_sdk", "boto3", "cryptography", "httpx", "jwt", "pynamodb", "redis")

PROGRAM = """
import importlib, sys
importlib.import_module(sys.argv[1])
print(*sorted(set(sys.argv[2:]) & {name.partition(".")[0] for name in sys.modules}))
"""


def loaded(module: str) -> str:
    """Which of the heavy packages a fresh interpreter has loaded after importing this module."""
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, module, *HEAVY], capture_output=True, text=True, check=False, timeout=60
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.strip()


COMPOSITION = sorted(f"gpubroker.composition.{module.name}" for module in pkgutil.iter_modules(composition.__path__))


@pytest.mark.parametrize(
    "module", ["gpubroker.edge.http", "gpubroker.edge.caller", "gpubroker.edge.cursors", *COMPOSITION]
)
def test_the_edge_loads_no_client_of_anything(module):
    assert loaded(module) == ""


READING_THE_MARKET = (
    "list_offers",
    "get_offer",
    "query_offers",
    "bulk_query_offers",
    "decide_offers",
    "rank_offers",
    "get_health",
    "get_providers_health",
    "get_metrics",
)


@pytest.mark.parametrize("name", READING_THE_MARKET)
def test_a_function_that_reads_the_market_starts_without_a_client_of_anything(name):
    # The market comes from memory and Redis; the table is asked, and its client loaded, when Redis is away.
    assert loaded(f"offers.{name}") == ""
