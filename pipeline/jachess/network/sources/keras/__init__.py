"""Networks from .keras files, without Keras."""

from jachess.network.sources.keras.read import read_keras

__all__ = ["read_keras"]
