"""HDF5 files, which hold Keras models."""
