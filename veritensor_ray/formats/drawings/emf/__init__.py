"""Enhanced metafiles (EMF), with the records of EMF+ in their comments."""
