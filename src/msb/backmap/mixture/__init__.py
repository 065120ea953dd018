"""Atoms drawn one after another from mixtures of normals in local coordinates."""
