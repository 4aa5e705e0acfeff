"""Rules that templates and state machines keep; `python -m infra.check` applies them, tests/infra tests them."""
