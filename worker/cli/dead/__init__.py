"""`relay dead …` and `relay jobs …`."""
