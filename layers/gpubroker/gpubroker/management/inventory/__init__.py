"""Clusters, and what they have."""
