"""Move molecular systems between resolutions: coarse-grained beads in, Boltzmann-distributed atoms out."""

__version__ = "0.1.0"
__all__ = ["__version__"]
