"""How a parallel run of the suite deals out its tests to processes."""

from __future__ import annotations

import functools
from collections import defaultdict
from enum import IntEnum
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from tests.durations import Durations, file_of

RAYS = 2  # processes that run tests with a Ray at a time, at most
SHARES = 4  # a file that takes less than a quarter of what a process gets is not worth dividing


class Needs(IntEnum):
    """What the tests of a file need, in the order in which files begin: those with a Ray wait often, so others run beside them."""

    SHARED_RAY = 0
    RAYS_OF_THEIR_OWN = 1
    NOTHING = 2  # that others have to spare
    DIVIDING = 3  # nothing either, and they are slow


def needs_of(text: str, everything: bool = False) -> Needs:
    """What the tests of a file need, by its text. With `everything`, audits that may run anywhere also run on Ray."""
    if "local_ray" in text or (everything and '"anywhere"' in text):
        return Needs.SHARED_RAY
    if "mark.ray" in text:
        return Needs.RAYS_OF_THEIR_OWN
    return Needs.DIVIDING if "mark.slow" in text else Needs.NOTHING


class Distribution(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """Each file goes to one process, so that what its tests share is made once. What took longest goes first, so that all processes end at
    about the same time. A file with slow tests is divided where it is much of the run.

    Files that share a Ray go to the same process, where it is started once, and those that start their own go to other processes. No more
    than two processes have files with a Ray at a time.

    xdist's own groups need ids that pytest 9.2 does not let it change: there they are ignored without a word.
    """

    def __init__(self, config: pytest.Config, log: Any, durations: Durations | None = None) -> None:
        super().__init__(config, log)
        self._needs = functools.cache(lambda file: needs_of((config.rootpath / file).read_text(), config.option.everything))
        self._durations = durations or Durations.kept()
        self._sharing: Any = None  # the process with the Ray that files share

    @functools.cached_property
    def _places(self) -> dict[str, int]:
        return {test: place for place, test in enumerate(self.collection)}

    @functools.cached_property
    def _seconds(self) -> dict[str, float]:
        """What files and divided tests take, as far as it is known."""
        tests: defaultdict[str, list[str]] = defaultdict(list)
        for test in self.collection:
            tests[file_of(test)].append(test)
        files = {file: self._durations.of(those) for file, those in tests.items()}
        enough = sum(files.values()) / self.numnodes / SHARES
        divided = [file for file, took in files.items() if took > enough and self._needs(file) is Needs.DIVIDING]
        return files | {test: self._durations.of_one(test) for file in divided for test in tests[file]}

    def _split_scope(self, nodeid: str) -> str:
        return nodeid if nodeid in self._seconds else file_of(nodeid)

    def _has_ray(self, scope: str) -> bool:
        return bool(self._needs(file_of(scope)) <= Needs.RAYS_OF_THEIR_OWN)

    def _next(self, node: Any) -> str | None:
        """The unit that a process gets: of those that it may have, the longest that is not better for another process."""
        others = (work for other, work in self.assigned_work.items() if other is not node)
        full = sum(any(map(self._has_ray, work)) for work in others) >= RAYS
        free = [scope for scope in self.workqueue if not (full and self._has_ray(scope))]
        return min(free, key=lambda scope: self._rank(scope, node), default=None)

    def _rank(self, scope: str, node: Any) -> tuple[bool, Needs, float]:
        needs = self._needs(file_of(scope))
        shared = needs is Needs.SHARED_RAY
        elsewhere = self._sharing not in (None, node) if shared else needs is Needs.RAYS_OF_THEIR_OWN and self._sharing is node
        return elsewhere, min(needs, Needs.NOTHING), -self._seconds[scope]

    def _assign_work_unit(self, node: Any) -> None:
        """Give a process its next unit. It ends if all that is left are Rays of others, which keep those busy."""
        scope = self._next(node)
        if scope is None:
            node.shutdown()
            return
        if self._sharing is None and self._needs(file_of(scope)) is Needs.SHARED_RAY:
            self._sharing = node
        tests = self.assigned_work[node][scope] = self.workqueue.pop(scope)
        node.send_runtest_some([self._places[test] for test, done in tests.items() if not done])

    def mark_test_complete(self, node: Any, item_index: int, duration: float = 0) -> None:
        """Forget units that are done: xdist counts the tests of all that a process ever got, after each test."""
        super().mark_test_complete(node, item_index, duration)
        scope, units = self._split_scope(self.registered_collections[node][item_index]), self.assigned_work[node]
        if all(units[scope].values()):
            del units[scope]

    def remove_node(self, node: Any) -> str | None:
        """Deal out what a process that died left, without the test of which it died: xdist would give that to the next process, and the next."""
        left = [(scope, test) for scope, tests in self.assigned_work.pop(node).items() for test, done in tests.items() if not done]
        if self._sharing is node:
            self._sharing = None
        for scope, test in left[1:]:
            self.workqueue.setdefault(scope, {})[test] = False
        for living in self.assigned_work:
            self._reschedule(living)
        return left[0][1] if left else None
