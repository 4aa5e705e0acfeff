"""How a seller's money leaves, behind one port: it stays on the account, or goes out in a bank file."""
