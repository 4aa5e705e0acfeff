"""The simulated providers: 32 APIs in one ASGI app, over real list prices, and what can go wrong with them."""
