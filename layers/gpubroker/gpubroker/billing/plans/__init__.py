"""Price plans: versioned documents of what each resource costs, and which account is on which."""
