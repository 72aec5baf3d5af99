"""Deep learning with the lid off: networks you can read, measure and trust."""

__version__ = "0.1.0"
