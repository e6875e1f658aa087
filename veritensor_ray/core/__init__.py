"""What every part of the package builds on: settings, errors, limits, and the texts that travel from readers to engines."""
