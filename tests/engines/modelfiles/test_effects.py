"""The verdict on a model file follows from its effects: inert only if it was proven, and never by omission."""

from __future__ import annotations

import pytest

from veritensor_ray.core import bounds
from veritensor_ray.core.detection import FileVerdict, Hit, Judged
from veritensor_ray.core.segments import Gap
from veritensor_ray.engines.modelfiles.effects import Effect, Found, Judging
from veritensor_ray.engines.modelfiles.looks import LOOKS
from veritensor_ray.engines.modelfiles.modelfile_rules import RULES

from .building import attack, dumps, judged

SEVERITIES = {rule.id: rule.severity for rule in RULES}
NUMBERS = Effect("holds", "numbers", "inert", "numbers do nothing")
STRANGE = Effect("imports", "strange.Thing", "unknown", "not on the list", 3, 9)
SHELL = Effect("runs", "os.system", "dangerous", "starts a program")
GAP = Gap("too long", engine="modelfiles")
CRITICAL, INFO = "modelfiles.dangerous-pickle", "modelfiles.hdf5-external-data"


def judgement(*found: Found) -> Judged:
    judging = Judging(SEVERITIES)
    for one in found:
        judging.add(one)
    return judging.judged()


@pytest.mark.parametrize(
    ("found", "verdict", "reasons"),
    [
        ((), "unknown", ["nothing in it was proven"]),
        ((NUMBERS,), "inert", []),
        ((NUMBERS, NUMBERS), "inert", []),
        ((NUMBERS, STRANGE), "unknown", ["imports strange.Thing: not on the list"]),
        ((STRANGE, SHELL), "dangerous", ["runs os.system: starts a program", "imports strange.Thing: not on the list"]),
        ((NUMBERS, GAP), "unknown", ["holds something that was not checked: too long"]),
        ((NUMBERS, Hit(CRITICAL, 0, 1, message="os.system")), "dangerous", [f"holds {CRITICAL}: os.system"]),
        ((NUMBERS, Hit(CRITICAL, 0, 1, severity="low", message="odd")), "unknown", [f"holds {CRITICAL}: odd"]),
        ((NUMBERS, Hit(INFO, 0, 1)), "inert", []),
    ],
)
def test_the_worst_effect_decides(found: tuple[Found, ...], verdict: FileVerdict, reasons: list[str]) -> None:
    assert judgement(*found)[:2] == (verdict, tuple(reasons))


def test_equal_effects_are_counted_and_different_ones_are_bounded() -> None:
    judging = Judging(SEVERITIES)
    for number in range(3 * bounds.EFFECTS):
        judging.add(Effect("imports", f"strange.Thing{number % (2 * bounds.EFFECTS)}", "unknown", "not on the list"))
    judging.add(SHELL)
    judged = judging.judged()
    assert (judged.verdict, judged.reasons[0], len(judged.reasons)) == ("dangerous", SHELL.said(), 21)
    assert judged.reasons[-1] == "and 1,981 further reasons"
    assert (len(judged.effects), judged.left_out) == (bounds.EFFECTS + 1, bounds.EFFECTS)
    assert judged.effects[1] == STRANGE._replace(what="strange.Thing0", start=0, end=0, times=2)


def test_what_is_only_counted_decides_too() -> None:
    hits = [Hit("modelfiles.unknown-pickle-global", number, number + 1, message=f"{number}") for number in range(bounds.EFFECTS)]
    judged = judgement(*hits, Hit(CRITICAL, 0, 1))
    assert (judged.verdict, len(judged.effects), judged.left_out) == ("dangerous", bounds.EFFECTS, 1)


def test_a_hit_that_an_effect_explains_is_no_reason_of_its_own() -> None:
    hit = Hit(CRITICAL, 4, 9, message="os.system is called")
    assert judgement(STRANGE, hit).reasons == (f"holds {CRITICAL}: os.system is called", STRANGE.said())
    assert judgement(SHELL._replace(start=3, end=9), hit).reasons == (SHELL.said(),)


def test_what_only_may_be_a_model_file_has_no_verdict_until_something_speaks_for_it() -> None:
    assert judged(b"\x00\x01\x02 nothing that anybody loads", "notes.dat") is None
    assert judged(b'{"compilerOptions": {} // a comment', "tsconfig.json") is None
    assert judged(dumps(attack()), "notes.dat") is not None


def test_titles_are_unique() -> None:
    assert len({row.title for row in LOOKS}) == len(LOOKS)
