"""One file per provider that rents: creating, finding, reading and ending instances."""
