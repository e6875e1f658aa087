"""Tests that the example engine fulfils the contract of all engines."""

from __future__ import annotations

from shouting_engine import Shouting

from veritensor_ray.core.config import Settings
from veritensor_ray.engines.base import Engine
from veritensor_ray.testing import EngineContract


class TestShouting(EngineContract):
    positives = ("Buy now!!!", "eins!!!! zwei", "!!!\n")

    def make_engine(self) -> Engine:
        return Shouting(Settings())
