"""The smallest networks for logic gates: which structures can do it, and their drawings."""
