"""How pixels of mixtures find their places of the sources, step by step, as arrays for compiled loops."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch

from mixviz.core.apply import Plan
from mixviz.core.parts import Operations, Patches, Weights
from mixviz.ops import geometric, noise, operations

Array = np.ndarray[Any, Any]

CPU = torch.device("cpu")
VALUES = 11  # of a step
NOTHING, MATRIX, CUTOUT, FIELD, SHUFFLE, CELLS = range(6)


class Steps(NamedTuple):
    """How the pixels of J parts of N mixtures find their source; shapes as in ``_follow_windows_numba.follow``."""

    kinds: Array
    values: Array
    fields: Array
    cells: Array
    back: Array


def steps_of(plan: Plan, sources: list[int]) -> Steps | None:
    """How mixtures find their sources; None where a sequence has more than loops are written for."""
    mixing, parts, n = plan.mixing, len(sources), plan.partner.shape[1]
    cells = mixing.base.cell_permutation if isinstance(mixing.base, Weights) else None
    if cells is not None:
        if isinstance(mixing, Operations | Patches):
            return None
        found = _still(parts * n, 1)
        found.kinds[:] = CELLS
        return _by_part(found._replace(cells=cells[sources].numpy()), parts)
    assert isinstance(mixing, Operations)
    sequences = operations.moving([one for k in sources for one in mixing.sequences[k]])
    lengths = np.array(list(map(len, sequences)))
    found = _still(len(sequences), max(1, lengths.max()))
    for position, (operation, rows, given, seeds) in operations.placed(sequences):
        if operation is operations.OPERATIONS["cutout"]:
            _set(found, rows, position, CUTOUT, given)
        elif operation.matrix is not None:
            matrices = operation.matrix(given, plan.size)
            more = np.stack([np.full(len(rows), operation.empties), np.abs(np.linalg.det(matrices))], 1)
            _set(found, rows, position, MATRIX, np.concatenate([matrices.reshape(-1, 9), more], 1))
            found.back[rows] = found.back[rows] @ matrices
        elif (lengths[rows] > 1).any():
            return None
        elif operation is operations.OPERATIONS["elastic"]:
            found = _bent(found, rows, given, seeds, plan.size)
        elif operation is operations.OPERATIONS["shuffle"]:
            _set(found, rows, 0, SHUFFLE, np.stack([given[:, 0].astype(np.int64), noise.starts(seeds, CPU).numpy()], 1))
        else:
            return None
    # From a mixture back to its source, the last operation comes first.
    order = np.argsort(found.kinds[:, ::-1] == NOTHING, axis=1, kind="stable")
    kinds = np.take_along_axis(found.kinds[:, ::-1], order, 1)
    values = np.take_along_axis(found.values[:, ::-1], order[..., None], 1)
    return _by_part(found._replace(kinds=kinds, values=values), parts)


def _still(rows: int, length: int) -> Steps:
    """Steps of ``rows`` sequences that move nothing."""
    return Steps(
        np.zeros((rows, length), np.int64),
        np.zeros((rows, length, VALUES)),
        np.zeros((0, 2, 1, 1), np.float32),
        np.zeros((1, 1, 0, 0), np.int64),
        np.tile(np.eye(3), (rows, 1, 1)),
    )


def _by_part(steps: Steps, parts: int) -> Steps:
    """The steps of J·N sequences as (J, N, ...)."""
    columns = {name: getattr(steps, name) for name in ("kinds", "values", "back")}
    return steps._replace(**{name: one.reshape(parts, -1, *one.shape[1:]) for name, one in columns.items()})


def _set(steps: Steps, rows: Array, position: int, kind: int, given: Array) -> None:
    steps.kinds[rows, position] = kind
    steps.values[rows, position, : given.shape[1]] = given


def _bent(steps: Steps, rows: Array, given: Array, seeds: Array, size: tuple[int, int]) -> Steps:
    """The steps with displacement fields; such sequences have one operation, so this group of rows is the only one."""
    field = geometric.elastic_field((len(rows), 1, *size), given, seeds, CPU).permute(0, 3, 1, 2).contiguous()
    _set(steps, rows, 0, FIELD, np.arange(len(rows))[:, None])
    return steps._replace(fields=field.numpy())
