"""One file per provider: its calls, its wire format, and what becomes of it as offers."""
