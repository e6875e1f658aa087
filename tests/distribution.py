"""How a parallel run of the suite deals out its tests to processes."""

from __future__ import annotations

import functools
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling


class Distribution(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """All files whose tests share a Ray go to one process, where it is started once, and those that start their own go to another one, so
    that never more than two compete. Any other file goes to one process too, so that what its tests share is made once, unless slow tests in
    it are worth dividing.

    xdist's own groups need ids that pytest 9.2 does not let it change: there they are ignored without a word.
    """

    def __init__(self, config: pytest.Config, log: Any) -> None:
        super().__init__(config, log)
        self._text = functools.cache(lambda file: (config.rootpath / file).read_text())

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        text = self._text(file)
        if "local_ray" in text:
            return "a shared Ray"
        if "mark.ray" in text:
            return "Rays of their own"
        return nodeid if "mark.slow" in text else file

    def mark_test_complete(self, node: Any, item_index: int, duration: float = 0) -> None:
        """Forget units that are done: xdist counts the tests of all that a process ever got, after each test."""
        super().mark_test_complete(node, item_index, duration)
        scope, units = self._split_scope(self.registered_collections[node][item_index]), self.assigned_work[node]
        if all(units[scope].values()):
            del units[scope]

    def remove_node(self, node: Any) -> str | None:
        """Deal out what a process that died left, without the test of which it died: xdist would give that to the next process, and the next."""
        left = [(scope, test) for scope, tests in self.assigned_work.pop(node).items() for test, done in tests.items() if not done]
        for scope, test in left[1:]:
            self.workqueue.setdefault(scope, {})[test] = False
        for living in self.assigned_work:
            self._reschedule(living)
        return left[0][1] if left else None
