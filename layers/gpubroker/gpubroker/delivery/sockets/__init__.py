"""WebSockets: connections, what they subscribe to, and how a fact reaches them."""
