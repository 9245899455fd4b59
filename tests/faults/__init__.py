"""Everything that may die, dies, while a known load runs; afterwards every number is exact."""
