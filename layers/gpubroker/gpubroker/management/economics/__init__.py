"""The platform's economic metrics by day: what was traded, earned, paid in and out, by how many; docs/economics.md."""
