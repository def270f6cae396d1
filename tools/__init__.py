"""Programs for those who work on the gate; none of them is part of it."""
