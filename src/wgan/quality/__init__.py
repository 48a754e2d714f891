"""How good generated digits are, in numbers."""
