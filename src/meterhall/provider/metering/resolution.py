"""Whether the rows of a file lie as the slots it is said to be of do: a resolution told by mistake gives itself away.

A file of another resolution makes a series of its own. So quarter-hours handed in as hours, or hours as quarter-hours,
would be kept beside the right ones, if nobody looked.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import numpy as np
from numpy.typing import NDArray

FEWEST: Final = 20
"""Rows of a new series of which no two follow each other, from which on they are not of such slots."""
ASTRAY: Final = 2
"""Rows of a series off the edges of slots that are no accident."""


def lie_oddly(at: NDArray[np.int64], step: int, is_new: bool) -> bool:
    """Whether the rows of one series have some off the edges of slots, or are many of a new one that lie apart."""
    return bool((at % step != 0).any()) or (is_new and _lie_apart(at, step))


def of_finer(series_ids: NDArray[np.int64], off: NDArray[np.bool_], astray: dict[int, int]) -> NDArray[np.bool_]:
    """The rows on the edges of slots where as many of their series lie off them: these are of shorter slots.

    `off` says which rows do, `astray` how many more of a series did, by its id.
    """
    if not off.any() and not astray:
        return np.zeros(len(off), np.bool_)
    ids, place = np.unique(series_ids, return_inverse=True)
    wrong = np.bincount(place[off], minlength=len(ids))
    wrong += np.array([astray.get(one, 0) for one in ids.tolist()], np.int64)
    right = np.bincount(place[~off], minlength=len(ids))
    found: NDArray[np.bool_] = ((wrong >= ASTRAY) & (wrong >= right))[place] & ~off
    return found


def of_coarser(
    series_ids: NDArray[np.int64],
    at: NDArray[np.int64],
    step: int,
    fresh: Collection[int],
    beside: Collection[int],
) -> NDArray[np.bool_]:
    """The rows of new series of which no two follow each other: these are of longer slots.

    Of one that stands `beside` a series of longer slots any number of rows is judged, of the other `fresh` ones many.
    """
    found = np.zeros(len(series_ids), np.bool_)
    if not len(series_ids) or not fresh:
        return found
    first = int(series_ids[0])
    many = first in fresh and first not in beside and _lie_apart(at[series_ids == first], step)
    follow = (series_ids[1:] == series_ids[:-1]) & (np.diff(at) == step)
    passed = np.unique(series_ids[1:][follow]).tolist()  # in most files those of one series stand one after the other
    suspects = np.array(sorted(set(fresh if many else beside).difference(passed)), np.int64)
    rows = np.flatnonzero(np.isin(series_ids, suspects)) if len(suspects) else suspects
    if not len(rows):
        return found
    order = rows[np.lexsort((at[rows], series_ids[rows]))]
    ids, after = series_ids[order], np.diff(at[order])
    same = ids[1:] == ids[:-1]
    edges = np.append(0, np.flatnonzero(~same) + 1)
    follows = np.logical_or.reduceat(np.append(same & (after == step), False), edges)
    count = np.add.reduceat(np.append(~same | (after != 0), True).astype(np.int64), edges)
    fewest = np.where(np.isin(ids[edges], list(beside)), 1, FEWEST)
    found[order] = np.repeat(~follows & (count >= fewest), np.diff(edges, append=len(ids)))
    return found


def _lie_apart(at: NDArray[np.int64], step: int) -> bool:
    """Whether there are many slots of which no two follow each other."""
    distinct = np.unique(at)
    return len(distinct) >= FEWEST and not (np.diff(distinct) == step).any()
