"""Shows that a compiled module can belong to a `noarch: python` package (CEP 20)."""

from ._native import answer

__all__ = ["answer"]
