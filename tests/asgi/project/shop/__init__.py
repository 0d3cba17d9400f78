"""A small shop, to be edited while it serves."""
