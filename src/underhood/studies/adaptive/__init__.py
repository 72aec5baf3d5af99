"""The studies of adaptive learning rates: their rules in words, and what dropout's scaling does."""
