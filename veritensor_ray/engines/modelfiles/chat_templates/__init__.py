"""Checks chat templates by their syntax trees: what they reach, what they say on which condition, how much they compute. None is rendered."""
