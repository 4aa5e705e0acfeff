"""How often identity lets something be tried, by account and by address (the mechanism: storage/throttle.py).

A successful login gives its attempt back.
"""

from gpubroker.storage.throttle import Count, Limit, count_of, network_of

__all__ = ["Count", "Limit", "count_of", "network_of"]

LOGIN_BY_ACCOUNT = Limit("login-account", 10, 900)
LOGIN_BY_ADDRESS = Limit("login-address", 100, 900)
SERVICE_BY_ACCOUNT = Limit("service-account", 10, 900)
SERVICE_BY_ADDRESS = Limit("service-address", 100, 900)
REGISTER_BY_ADDRESS = Limit("register-address", 100, 3600)
MAIL_BY_ADDRESS = Limit("mail-address", 100, 3600)
MAIL_BY_ACCOUNT = Limit("mail-account", 5, 3600)
