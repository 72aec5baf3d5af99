"""A descent down a curve: the expression, the walk, its drawings."""
