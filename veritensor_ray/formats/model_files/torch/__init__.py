"""Checkpoints of PyTorch: the tensors that they hold, found without unpickling anything."""
