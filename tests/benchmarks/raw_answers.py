"""Decoded answers of providers with very many machines, each with a price of its own; always the same ones."""

import random
from typing import Any

_GPUS = ("RTX 4090", "RTX 3090", "H100 SXM", "A100 PCIE", "L40S", "RTX A6000", "RTX 5090", "H200")
_PLACES = ("Norway, NO", "Texas, US", "Denmark, DK", "Ontario, CA", "Japan, JP", None)


def vastai_answer(number: int) -> dict[str, Any]:
    """A decoded answer with so many asks, each with a price of its own."""
    draw = random.Random(7)
    rows = []
    for ask in range(number):
        base = round(draw.uniform(0.08, 3.0), 6)
        rows.append(
            {
                "id": 7_000_000 + ask,
                "machine_id": ask // 4,
                "host_id": ask // 16,
                "gpu_name": draw.choice(_GPUS),
                "num_gpus": draw.choice((1, 1, 2, 4, 8)),
                "gpu_ram": draw.choice((24564, 81559, 49140)),
                "cpu_cores": 64,
                "cpu_cores_effective": float(draw.choice((8, 16, 32))),
                "cpu_ram": 257_000,
                "disk_space": round(draw.uniform(50, 4000), 1),
                "dph_base": base,
                "dph_total": base,
                "min_bid": round(base * draw.uniform(0.4, 0.8), 6),
                "storage_cost": 0.0,
                "inet_down": 812.4,
                "inet_up": 640.1,
                "reliability2": round(draw.uniform(0.9, 1), 4),
                "verified": True,
                "rentable": True,
                "rented": False,
                "geolocation": draw.choice(_PLACES),
                "cuda_max_good": 12.8,
                "compute_cap": 890,
                "duration": 2_592_000.0,
            }
        )
    return {"offers": rows}


def lambdalabs_answer(types: int) -> dict[str, Any]:
    places = [{"name": f"us-east-{number}", "description": "Virginia, USA"} for number in range(10)]
    return {
        "data": {
            f"gpu_{number}": {
                "instance_type": {
                    "name": f"gpu_{number}",
                    "gpu_description": "H100 (80 GB SXM5)",
                    "price_cents_per_hour": 200 + number % 300,
                    "specs": {"vcpus": 26, "memory_gib": 225, "storage_gib": 2816, "gpus": 1},
                },
                "regions_with_capacity_available": places,
            }
            for number in range(types)
        }
    }
