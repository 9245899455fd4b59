"""Whole stacks, as a user runs them."""
