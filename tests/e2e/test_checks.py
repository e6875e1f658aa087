"""A story ends, and then fails by the names of its checks."""

from __future__ import annotations

import pytest

from tests.e2e.checks import Checks


def test_a_check_that_fails_does_not_end_the_story_and_is_named_by_its_failure(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(pytest.fail.Exception, match=r"^1 passed, 2 failed: water is dry; fire is cold$"), Checks() as check:
        check("water is dry", False, "a wet hand")
        check("ice is cold", True)
        check("fire is cold", False)
    assert "FAILED  water is dry  [a wet hand]" in capsys.readouterr().out


def test_what_failed_before_an_error_is_noted_on_it() -> None:
    with pytest.raises(ZeroDivisionError) as raised, Checks() as check:
        check("water is dry", False)
        raise ZeroDivisionError
    assert raised.value.__notes__ == ["Checks until then: 0 passed, 1 failed: water is dry"]


def test_nothing_fails_where_every_check_holds(capsys: pytest.CaptureFixture[str]) -> None:
    with Checks() as check:
        check("ice is cold", True)
        check.figure("ice", "0 °C")
    assert capsys.readouterr().out.splitlines()[-1] == "1 passed, 0 failed"
