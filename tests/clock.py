"""The type of the fixture `at_most`, which bounds the work of a block by the processor's time."""

from collections.abc import Callable
from contextlib import AbstractContextManager

AtMost = Callable[[float], AbstractContextManager[None]]
