"""Says which bytes of an OLE file belong to its tables and streams. Free sectors, and what stands behind the end of a stream, do not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from veritensor_ray.formats.common.account import ByteAccount

_HEADER, _LISTED = 76, 109  # bytes before the list of sectors of the table, and how many of them are listed there
_ENTRY, _STREAM, _ROOT = 128, 2, 5
_LAST = 0xFFFFFFFA  # sectors from here on are marks


class _TakenSectors(NamedTuple):
    """What belongs to a chain already: sectors, and pieces of sectors."""

    sectors: set[int]
    pieces: set[int]


def claim_sectors(ole: Any, account: ByteAccount) -> None:
    """Claim what belongs to an OLE file that the library has opened."""
    fat, size, taken = ole.fat, ole.sectorsize, _TakenSectors(set(), set())
    account.claim(0, _HEADER, "structure")
    tables, further = _tables(ole)
    for number, at in enumerate(_offsets(fat, ole.first_dir_sector, size, taken)):
        for place in range(0, size, _ENTRY):
            entry = number * (size // _ENTRY) + place // _ENTRY
            if entry < len(ole.direntries) and ole.direntries[entry] is not None:
                account.claim(at + place, at + place + _ENTRY, "structure")
    small_table = list(_offsets(fat, ole.first_mini_fat_sector, size, taken))
    mini = list(_offsets(fat, ole.root.isectStart, size, taken))
    ole.loadminifat()
    for entry in ole.direntries:
        if entry is not None and entry.entry_type == _STREAM:
            for start, end in _ranges(ole, entry, mini, taken):
                account.claim(start, end, "text")
    for sector in further:
        account.claim((sector + 1) * size, (sector + 2) * size, "structure")
    _claim_numbers([(sector + 1) * size for sector in tables], size, taken.sectors.union(tables, further), account)
    _claim_numbers(small_table, size, taken.pieces, account)


def _claim_numbers(table: Sequence[int], size: int, used: Iterable[int], account: ByteAccount) -> None:
    """Claim, in a table whose sectors begin at these offsets, the numbers of the sectors in use. The others say nothing."""
    each, first, last = size // 4, 0, 0  # numbers in a sector, and the range of those that follow each other
    for number in [*sorted(used), _LAST]:
        if number == last and number % each:
            last += 1
            continue
        if first < last and first // each < len(table):
            at = table[first // each] + 4 * (first % each)
            account.claim(at, at + 4 * (last - first), "structure")
        first, last = number, number + 1


def _tables(ole: Any) -> tuple[list[int], list[int]]:
    """Return the sectors of the table of sectors, and those that list further ones of these."""
    ole.fp.seek(_HEADER)
    listed = _numbers(ole.fp.read(4 * _LISTED))
    tables, further = [one for one in listed[: ole.num_fat_sectors] if one < _LAST], list[int]()
    following, left = ole.first_difat_sector, min(ole.num_difat_sectors, len(ole.fat))
    while following < _LAST and left > 0:
        further.append(following)
        ole.fp.seek((following + 1) * ole.sectorsize)
        numbers = _numbers(ole.fp.read(ole.sectorsize))
        tables += [one for one in numbers[:-1] if one < _LAST]
        following, left = numbers[-1] if numbers else _LAST, left - 1
    return tables, further


def _numbers(data: bytes) -> list[int]:
    return [int.from_bytes(data[at : at + 4], "little") for at in range(0, len(data) - 3, 4)]


def _chain(table: Sequence[int], first: int, seen: set[int]) -> Iterator[int]:
    """Yield the sectors that follow each other, up to one that was seen before: a sector belongs to one chain."""
    while first < len(table) and first not in seen:
        seen.add(first)
        yield first
        first = table[first]


def _offsets(fat: Sequence[int], first: int, size: int, taken: _TakenSectors) -> Iterator[int]:
    return ((sector + 1) * size for sector in _chain(fat, first, taken.sectors))


def _ranges(ole: Any, entry: Any, mini: Sequence[int], taken: _TakenSectors) -> Iterator[tuple[int, int]]:
    """Yield the ranges of a stream, of which a small one is stored in pieces of larger sectors."""
    small = entry.size < ole.minisectorcutoff
    size = ole.minisectorsize if small else ole.sectorsize
    chain = _chain(ole.minifat if small else ole.fat, entry.isectStart, taken.pieces if small else taken.sectors)
    for done, sector in zip(range(0, entry.size, size), chain, strict=False):  # an empty stream begins at any sector, and takes none
        at = sector * size
        place = (mini[at // ole.sectorsize] + at % ole.sectorsize if at // ole.sectorsize < len(mini) else None) if small else at + size
        if place is not None:
            yield place, place + min(size, entry.size - done)
