import random

import pytest

from veritensor_ray.formats.common.account import ByteAccount


@pytest.mark.parametrize(
    ("claims", "unclaimed"),
    [
        ([], [(0, 10)]),
        ([(0, 10)], []),
        ([(0, 3), (3, 10)], []),
        ([(2, 4), (6, 8)], [(0, 2), (4, 6), (8, 10)]),
        ([(6, 8), (2, 4), (3, 7)], [(0, 2), (8, 10)]),
        ([(5, 5), (8, 30)], [(0, 8)]),
    ],
    ids=["nothing", "all", "in two pieces", "with gaps", "overlapping and out of order", "empty, and behind the end"],
)
def test_what_nobody_claims(claims: list[tuple[int, int]], unclaimed: list[tuple[int, int]]) -> None:
    account = ByteAccount()
    for start, end in claims:
        account.claim(start, end, "text")
    assert list(account.unclaimed(10)) == unclaimed


def test_each_byte_counts_once_for_the_first_claim() -> None:
    rng = random.Random(7)
    account, first = ByteAccount(), dict[int, str]()
    for _ in range(300):
        start = rng.randrange(1000)
        end, reading = start + rng.randrange(40), rng.choice(("text", "members"))
        account.claim(start, end, reading)  # type: ignore[arg-type]
        for byte in range(start, end):
            first.setdefault(byte, reading)
    assert account.bytes == {reading: list(first.values()).count(reading) for reading in ("text", "members")}
    assert {byte for start, end in account.unclaimed(1100) for byte in range(start, end)} == set(range(1100)) - set(first)


def test_claims_end_with_the_file() -> None:
    account = ByteAccount()
    account.size = 10
    account.claim(5, 1 << 70, "members")
    assert (account.bytes["members"], list(account.unclaimed(10))) == (5, [(0, 5)])
