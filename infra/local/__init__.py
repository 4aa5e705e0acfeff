"""The local cloud: the whole house on one machine. `python -m infra.local up|down|run|demo|status|bench-env`."""
