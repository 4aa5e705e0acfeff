"""A Query costs what it returns, not what its partition holds.

AWS: a Query reads from its start key until Limit or 1 MB is reached (DynamoDB developer guide, "Paginating table query
results"). The stock engine parses the key condition anew for every item of the partition: 110-390 ms for any page of
10,000 items. Here an expression is parsed once, and a key condition of the usual forms is a comparison.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from ministack.services import dynamodb

from infra.local.engine.patching import original, replaces

Item = dict[str, Any]
Test = Callable[[Item], bool]
Token = tuple[str, str]

_COMPARISONS = {"EQ": "=", "LT": "<", "LE": "<=", "GT": ">", "GE": ">="}


@lru_cache(maxsize=1024)
def parsed(expression: str, slot: str) -> tuple[Token, ...]:
    """The tokens of a well-formed expression. Raises ValueError for any other."""
    tokens = dynamodb._tokenize(expression)
    problem = (
        dynamodb._check_redundant_parens(tokens, slot)
        or dynamodb._check_reserved_keyword_usage(tokens)
        or dynamodb._condition_syntax_error(expression, slot)
    )
    if problem:
        raise ValueError(problem)
    return tuple(tokens)


def key_test(tokens: tuple[Token, ...], values: dict[str, Any], names: dict[str, str]) -> Test | None:
    """The key condition as a function of the item; None when it has an unusual form."""
    tests = [_clause(clause, values, names) for clause in dynamodb._key_condition_clauses(tokens)]
    if not all(tests):
        return None
    return lambda item: all(test(item) for test in tests)  # type: ignore[misc]


def _clause(clause: list[Token], values: dict[str, Any], names: dict[str, str]) -> Test | None:
    kinds = [kind for kind, _ in clause]

    def name(token: Token) -> str:
        return names[token[1]] if token[0] == "NAME_REF" else token[1]

    if len(clause) == 3 and kinds[1] in _COMPARISONS and kinds[2] == "VALUE_REF":
        attribute, operator, value = name(clause[0]), _COMPARISONS[kinds[1]], values[clause[2][1]]
        return lambda item: bool(dynamodb._compare_ddb(item.get(attribute), operator, value))
    if len(clause) == 5 and clause[1][1].upper() == "BETWEEN":
        attribute, low, high = name(clause[0]), values[clause[2][1]], values[clause[4][1]]
        return lambda item: bool(
            dynamodb._compare_ddb(item.get(attribute), ">=", low)
            and dynamodb._compare_ddb(item.get(attribute), "<=", high)
        )
    if len(clause) == 6 and clause[0][1] == "begins_with" and "S" in values.get(clause[4][1], {}):
        attribute, prefix = name(clause[2]), values[clause[4][1]]["S"]
        return lambda item: str(item.get(attribute, {}).get("S", "")).startswith(prefix)
    return None


def apply() -> None:
    evaluate = original(dynamodb, "_evaluate_condition")
    last: tuple[Any, Any, Any, Test | None] = (None, None, None, None)  # of the query that runs now

    @replaces(dynamodb)
    def _evaluate_condition(
        expr: str, item: Item, attr_values: Any, attr_names: Any, slot: str = "ConditionExpression"
    ) -> bool:
        nonlocal last
        if slot == "KeyConditionExpression":
            known, values, names, test = last
            if known is not expr or values is not attr_values or names is not attr_names:
                test = key_test(parsed(expr, slot), attr_values, attr_names)
                last = (expr, attr_values, attr_names, test)
            if test:
                return test(item)
        elif expr and "BETWEEN" not in expr.upper():  # whose bounds are checked with each evaluation
            try:
                tokens = parsed(expr, slot)
                return bool(dynamodb._ExprEval(tokens, item, attr_values, attr_names).evaluate())
            except ValueError:
                pass  # said again, in the words of the service, by the engine's own
        return bool(evaluate(expr, item, attr_values, attr_names, slot))
