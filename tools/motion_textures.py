"""Procedural textures and shapes for render_motion.py. Nothing is photographed or downloaded.

A texture family is a function (rng, u, v) -> field in [0, 1]. u and v count texture periods, so a family works for
the background and for objects of any resolution. The families for training and for testing are disjoint.
"""
from __future__ import annotations

import colorsys
from typing import Callable, Dict

import numpy as np

Field = Callable[[np.random.Generator, np.ndarray, np.ndarray], np.ndarray]


def _soft(x: np.ndarray, width: float = 0.12) -> np.ndarray:
    """A soft threshold at 0: hard edges would flicker when they are resampled."""
    return np.clip(x / (2 * width) + 0.5, 0, 1)


def _value_noise(rng: np.random.Generator, u: np.ndarray, v: np.ndarray, n: int = 32) -> np.ndarray:
    """Smooth noise: a random lattice, interpolated with a smoothstep."""
    lattice = rng.random((n, n))
    iu, iv = np.floor(u).astype(int), np.floor(v).astype(int)
    fu, fv = u - iu, v - iv
    fu, fv = fu * fu * (3 - 2 * fu), fv * fv * (3 - 2 * fv)
    a, b = lattice[iv % n, iu % n], lattice[iv % n, (iu + 1) % n]
    c, d = lattice[(iv + 1) % n, iu % n], lattice[(iv + 1) % n, (iu + 1) % n]
    return (a * (1 - fu) + b * fu) * (1 - fv) + (c * (1 - fu) + d * fu) * fv


# ---- families that the network is trained on --------------------------------------------------------------------

def clouds(rng, u, v):
    x = sum(_value_noise(rng, u * f, v * f) / f for f in (1, 2, 4)) / 1.75
    return np.clip((x - 0.5) * 2 + 0.5, 0, 1)


def checker(rng, u, v):
    return _soft(np.sin(np.pi * u) * np.sin(np.pi * v), 0.2)


def stripes(rng, u, v):
    # Stripes alone hide motion along themselves (the aperture problem), so noise is laid over them.
    return 0.65 * (0.5 + 0.5 * np.sin(2 * np.pi * u)) + 0.35 * _value_noise(rng, 1.5 * u, 1.5 * v)


def dots(rng, u, v):
    size = 0.6 + 0.6 * _value_noise(rng, 0.5 * u, 0.5 * v)
    d = np.hypot((u + 0.5 * (np.floor(v) % 2)) % 1 - 0.5, v % 1 - 0.5)
    return _soft(0.3 * size - d)


def marble(rng, u, v):
    warp = 2.5 * _value_noise(rng, u, v) + 1.2 * _value_noise(rng, 2 * u, 2 * v)
    return 0.5 + 0.5 * np.sin(np.pi * (u + v) / 1.4 + np.pi * warp)


def tiles(rng, u, v):
    """Squares of random brightness."""
    lattice = rng.random((32, 32))
    return lattice[np.floor(v).astype(int) % 32, np.floor(u).astype(int) % 32]


# ---- families kept for testing ----------------------------------------------------------------------------------

def cells(rng, u, v):
    """Voronoi cells with a jittered seed point in each unit square."""
    n = 32
    jx, jy, tone = rng.random((n, n)), rng.random((n, n)), rng.random((n, n))
    iu, iv = np.floor(u).astype(int), np.floor(v).astype(int)
    best, field = np.full(u.shape, np.inf), np.zeros(u.shape)
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            cx, cy = (iu + dx) % n, (iv + dy) % n
            d = (iu + dx + jx[cy, cx] - u) ** 2 + (iv + dy + jy[cy, cx] - v) ** 2
            nearer = d < best
            best, field = np.where(nearer, d, best), np.where(nearer, tone[cy, cx], field)
    return field


def rings(rng, u, v):
    """Rings about two centres, off the middle, so that a turn of the object can be seen."""
    (ax, ay), (bx, by) = rng.uniform(-3, 3, (2, 2))
    return 0.5 + 0.25 * (np.sin(2 * np.pi * np.hypot(u - ax, v - ay)) + np.sin(2 * np.pi * np.hypot(u - bx, v - by)))


def plaid(rng, u, v):
    f, g, p = rng.uniform(0.35, 0.8), rng.uniform(0.35, 0.8), rng.uniform(0, 6.3, 4)
    return 0.5 + 0.125 * (np.sin(2 * np.pi * u + p[0]) + np.sin(2 * np.pi * f * u + p[1])
                          + np.sin(2 * np.pi * v + p[2]) + np.sin(2 * np.pi * g * v + p[3]))


def chevron(rng, u, v):
    zigzag = 1.2 * np.abs((v / 2) % 1 - 0.5) * 2
    return 0.7 * _soft(np.sin(2 * np.pi * (u + zigzag)), 0.4) + 0.3 * _soft(np.sin(0.9 * v) * np.sin(0.7 * u), 0.3)


def bricks(rng, u, v):
    row = np.floor(v).astype(int)
    uu = u / 2 + 0.5 * (row % 2)
    tone = 0.45 + 0.55 * rng.random((32, 32))[row % 32, np.floor(uu).astype(int) % 32]
    mortar = _soft(np.minimum(2 * np.minimum(uu % 1, 1 - uu % 1), np.minimum(v % 1, 1 - v % 1)) - 0.12, 0.08)
    return tone * mortar


def camouflage(rng, u, v):
    x = 0.7 * _value_noise(rng, u, v) + 0.3 * _value_noise(rng, 2.5 * u, 2.5 * v)
    return 0.5 * _soft(x - 0.42, 0.03) + 0.5 * _soft(x - 0.56, 0.03)


FAMILIES: Dict[str, Dict[str, Field]] = {
    "train": {f.__name__: f for f in (clouds, checker, stripes, dots, marble, tiles)},
    "test": {f.__name__: f for f in (cells, rings, plaid, chevron, bricks, camouflage)},
}


def paint(rng: np.random.Generator, split: str, x: np.ndarray, y: np.ndarray, periods: float) -> np.ndarray:
    """A random texture of the split in random colours, 3 x H x W in [0, 1], at the points (x, y)."""
    names = sorted(FAMILIES[split])
    family = FAMILIES[split][names[rng.integers(len(names))]]
    angle, (du, dv) = rng.uniform(0, 2 * np.pi), rng.uniform(0, 16, 2)
    u = periods * (np.cos(angle) * x + np.sin(angle) * y)
    v = periods * (-np.sin(angle) * x + np.cos(angle) * y)
    if family not in (rings,):  # rings sit about the origin; every other family has no middle
        u, v = u + du, v + dv
    field = family(rng, u, v)
    # Two colours at least 0.3 apart in brightness: a texture must be visible for its motion to be.
    while True:
        low, high = (np.array(colorsys.hsv_to_rgb(*rng.random(3))) for _ in range(2))
        if abs(float(low.mean() - high.mean())) > 0.3:
            break
    shade = 0.8 + 0.4 * _value_noise(rng, 0.37 * u + 7, 0.37 * v + 7)
    return np.clip((low[:, None, None] * (1 - field) + high[:, None, None] * field) * shade, 0, 1)


def outline(rng: np.random.Generator, theta: np.ndarray) -> np.ndarray:
    """A random shape as its radius in each direction, of mean about 1."""
    kind = rng.integers(6)
    turn = theta + rng.uniform(0, 2 * np.pi)
    if kind == 0:    # disc
        r = np.ones_like(turn)
    elif kind == 1:  # ellipse
        q = rng.uniform(0.65, 0.9)
        r = 1 / np.hypot(np.cos(turn) * q, np.sin(turn) / q)
    elif kind == 2:  # rectangle
        q = rng.uniform(0.65, 1.0)
        r = np.minimum(0.9 / q / np.maximum(np.abs(np.cos(turn)), 1e-6), 0.9 * q / np.maximum(np.abs(np.sin(turn)), 1e-6))
    elif kind == 3:  # regular polygon
        n = rng.integers(3, 7)
        r = np.cos(np.pi / n) / np.cos(turn % (2 * np.pi / n) - np.pi / n)
    elif kind == 4:  # star
        n = rng.integers(4, 8)
        r = 1 + rng.uniform(0.2, 0.35) * (2 * np.abs((turn * n / (2 * np.pi)) % 1 - 0.5) - 0.5) * 2
    else:            # blob
        r = np.ones_like(turn)
        for k in range(2, 5):
            r = r + rng.normal(0, 0.25 / k) * np.cos(k * turn + rng.uniform(0, 2 * np.pi))
        r = np.clip(r, 0.5, 1.5)
    return r / r.mean()
