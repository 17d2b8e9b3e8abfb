"""Places: pictures with the positions at which they were taken, grouped so that a class is a place."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from mixviz.data import listing
from mixviz.data.dataset import Dataset
from mixviz.data.listing import Row

LIST = "places.csv"
DEGREES = ("file", "latitude", "longitude")
METRES = ("file", "utm_east", "utm_north")
SAME, CLOSE = 10.0, 25.0  # metres
PARTS = ("train", "val")


def places(root: Path, part: str, download: bool) -> Dataset:
    """Load a folder of pictures with the positions of its ``places.csv``.

    Columns are file,latitude,longitude in degrees (WGS 84), or file,utm_east,utm_north in metres of one UTM zone, and
    perhaps split, ``train`` or ``val``. Without it, whole places are held out.

    Classes are places: all pictures of one are within 10 m of each other. Classes with any two pictures within 25 m are
    ``close``. ``positions`` are (N, 2) east and north, or (N, 3) in the earth-centred frame, both in metres.

    Args:
        part: ``train``, ``val`` or ``all``.

    Raises:
        ValueError: what is wrong in the list, with its line, or which files are missing.
    """
    if download:
        raise ValueError("A folder of your own cannot be downloaded.")
    path = root / LIST
    read = list(listing.rows(path, (DEGREES, METRES)))
    if not read:
        raise ValueError(f"{path} lists no pictures.")
    unique = listing.unique(path, "file")
    pictures = [root / unique(row) for row in read]
    listing.all_there(pictures, root, [row.line for row in read], path)
    positions = _positions(path, read)
    labels = group(positions, SAME)
    count = int(labels.max()) + 1
    names = tuple(f"place {index + 1}" for index in range(count))
    whole = Dataset(
        pictures, torch.from_numpy(labels), names, names, close=torch.from_numpy(near(positions, labels, CLOSE)),
        positions=torch.from_numpy(positions), open_set=True,
    )  # fmt: skip
    chosen = _parts(path, read)
    if part == "all":
        return whole
    if not chosen:
        return whole.held_out_classes()[part == "val"]
    return whole.take([index for index, own in enumerate(chosen) if own == part]).compact()


def _parts(path: Path, read: Sequence[Row]) -> list[str]:
    """The part of each row, or nothing where the list has no such column."""
    if "split" not in read[0].values:
        return []
    for row in read:
        if row.values["split"] not in PARTS:
            raise ValueError(f"{path}, line {row.line}: split should be train or val; got {row.values['split']!r}.")
    return [row.values["split"] for row in read]


def _positions(path: Path, read: Sequence[Row]) -> np.ndarray:
    if set(METRES) <= read[0].values.keys():
        return np.array([
            [listing.number(path, row, "utm_east", 0, 1e6, "metres"),
             listing.number(path, row, "utm_north", 0, 1e7, "metres")]
            for row in read
        ])  # fmt: skip
    return earth_centred(np.array([
        [listing.number(path, row, "latitude", -90, 90, "degrees"),
         listing.number(path, row, "longitude", -180, 180, "degrees")]
        for row in read
    ]))  # fmt: skip


def earth_centred(degrees: np.ndarray) -> np.ndarray:
    """Convert latitude and longitude (N, 2) in degrees to metres (N, 3) from the earth's centre, on the ellipsoid of
    WGS 84.

    Distances between neighbours are then exact everywhere, with no zones; a straight line of 25 m is shorter than the
    way along the ground by less than a millionth of a millimetre.
    """
    latitude, longitude = np.deg2rad(degrees).T
    a, f = 6_378_137.0, 1 / 298.257223563
    square = f * (2 - f)
    radius = a / np.sqrt(1 - square * np.sin(latitude) ** 2)
    flat = radius * np.cos(latitude)
    return np.stack([flat * np.cos(longitude), flat * np.sin(longitude), radius * (1 - square) * np.sin(latitude)], 1)


def group(positions: np.ndarray, diameter: float) -> np.ndarray:
    """Group positions (N, A) so that any two of a group are at most ``diameter`` apart. Returns groups (N,) int64.

    In the order of the list, each joins the group with the nearest member of those whose members are all near enough,
    or founds a new one. Two groups may still be near each other.
    """
    from scipy.spatial import KDTree

    groups = np.full(len(positions), -1, np.int64)
    members: list[list[int]] = []
    around = KDTree(positions)
    for index, position in enumerate(positions):
        neighbours = np.array(around.query_ball_point(position, diameter), np.int64)
        neighbours = neighbours[groups[neighbours] >= 0]
        distance = np.linalg.norm(positions[neighbours] - position, axis=1)
        for candidate in dict.fromkeys(groups[neighbours[np.argsort(distance, kind="stable")]].tolist()):
            others = positions[members[candidate]]
            if (np.linalg.norm(others - position, axis=1) <= diameter).all():
                groups[index] = candidate
                members[candidate].append(index)
                break
        else:
            groups[index] = len(members)
            members.append([index])
    return groups


def near(positions: np.ndarray, groups: np.ndarray, radius: float) -> np.ndarray:
    """Mark pairs of different groups (C, C) bool with two positions within ``radius``."""
    from scipy.spatial import KDTree

    count = int(groups.max()) + 1
    result = np.zeros((count, count), bool)
    pairs = groups[KDTree(positions).query_pairs(radius, output_type="ndarray")]
    result[pairs[:, 0], pairs[:, 1]] = result[pairs[:, 1], pairs[:, 0]] = True
    np.fill_diagonal(result, False)
    return result
