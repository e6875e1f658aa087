"""Checks computation graphs: what their operators, constants and paths would make a loader do. No graph is ever loaded."""
