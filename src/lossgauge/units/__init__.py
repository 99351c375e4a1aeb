"""Units: dimensions with exact rational exponents and the linear algebra that finds them; standard library only."""
