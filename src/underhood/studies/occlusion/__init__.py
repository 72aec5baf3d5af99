"""Hiding parts of an image: the masks, and the report on them."""
