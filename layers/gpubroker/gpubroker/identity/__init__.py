"""Identity: users, plans, tokens, API keys, service and agent credentials, and what each of them may do."""
