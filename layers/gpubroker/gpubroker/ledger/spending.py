"""What counts against budgets, read from the book."""

from collections.abc import Iterable, Mapping

from gpubroker.ledger.budgets import Spending
from gpubroker.ledger.items import BudgetItem


def spending_of(keys: Iterable[str], month: str) -> Mapping[str, Spending]:
    """What counts against budgets in a month, by their keys; nothing where nothing does. Strongly consistent; one call
    for a hundred keys."""
    wanted = {BudgetItem.key(key, month): key for key in keys}
    if not wanted:
        return {}
    return {
        wanted[item.pk, item.sk]: Spending(spent=int(item.spent), held=int(item.used) - int(item.spent))
        for item in BudgetItem.batch_get(list(wanted), consistent_read=True)
    }
