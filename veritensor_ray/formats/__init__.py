"""The structure of model files, shared by engines and readers: positions and names, never values that run; it knows neither of the two."""
