"""A small depot, to be edited while it serves."""
