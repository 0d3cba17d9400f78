"""The built-in handling of what the standard library and attrs make of classes and functions, written as plugins."""
