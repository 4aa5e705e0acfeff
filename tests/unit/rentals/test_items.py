"""How a rental is kept: what is None is left out of its item, so it must be None again when it is read."""

import types
from dataclasses import fields, is_dataclass, replace
from typing import Any, get_args, get_type_hints

from gpubroker.rentals.items import RentalItem
from gpubroker.rentals.rental import Rental
from tests.unit.rentals.lives import TERMS, asked


def test_a_rental_of_an_offer_without_a_region_is_read_back_as_it_was_written() -> None:
    rental = asked(terms=replace(TERMS, region=None))
    assert RentalItem.of(rental).value() == rental


def test_whatever_may_be_none_in_a_rental_is_none_when_its_item_leaves_it_out() -> None:
    seen: set[Any] = set()
    todo: list[Any] = [Rental]
    while todo:
        kept = todo.pop()
        if kept in seen or not is_dataclass(kept):
            todo.extend(get_args(kept))
            continue
        seen.add(kept)
        hints = get_type_hints(kept)
        for part in fields(kept):
            hint = hints[part.name]
            todo.append(hint)
            if isinstance(hint, types.UnionType) and type(None) in get_args(hint):
                assert part.default is None, f"{kept}.{part.name}"
    assert len(seen) > 8
