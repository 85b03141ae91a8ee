"""Colours for terminals that show 16 million, 256, 16 or none of them.

A colour is a packed 0xRRGGBB, or -1 for the terminal's own. With 256 colours every colour given is exactly one of the
xterm palette, and except for light greys one that a conversion by nearest colour finds again; with 16 exactly one of
those. Distances are taken in the Oklab space. Ramps never fall in lightness, and a diverging map has it change evenly
from its middle to both sides. The theme "contrast" keeps to the contrast ratios of WCAG against its black ground: 7 for
text, 4.5 for series and for the newer half of every ramp.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, get_args

import numpy as np

Depth = Literal["true", "256", "16", "none"]
Theme = Literal["dark", "light", "contrast"]
Colours = Literal["default", "viridis", "cividis", "magma", "grey"]
Role = Literal["text", "strong", "axis", "grid", "reference", "warn", "ground"]

COLOUR_MAPS: tuple[Colours, ...] = get_args(Colours)
"""The colour maps in the order in which a key goes through them."""
FADES = 6
"""Steps from the earliest point of a series to its newest."""
LEVELS = 16
"""Colours of a ramp."""
_WEAKEST: dict[Theme, float] = {"dark": 0.5, "light": 0.5, "contrast": 0.75}
"""Strength of the earliest point against the background."""
_WEAKEST_OF_RAMP = 0.75
"""The same where the colours themselves are of different lightness."""
_SHADOW: dict[Theme, float] = {"dark": 0.3, "light": 0.3, "contrast": 0.45}
_LIGHTNESS: dict[Theme, tuple[float, float]] = {"dark": (0.47, 0.92), "light": (0.30, 0.76), "contrast": (0.62, 0.97)}
"""Of the ends of a ramp for points and lines: those of the maps would vanish in the background."""

# fmt: off
_MAPS: dict[Colours, tuple[int, ...]] = {"viridis": (
    0x440154, 0x48186A, 0x472D7B, 0x424086, 0x3B528B, 0x33638D, 0x2C728E, 0x26828E, 0x21918C,
    0x1FA088, 0x28AE80, 0x3FBC73, 0x5EC962, 0x84D44B, 0xADDC30, 0xD8E219, 0xFDE725,
), "cividis": (
    0x00224E, 0x002E6A, 0x1A386F, 0x32436D, 0x434E6C, 0x535A6D, 0x61656F, 0x6F7073, 0x7D7C78,
    0x8C8878, 0x9B9476, 0xABA072, 0xBCAE6C, 0xCDBB63, 0xDEC958, 0xF0D846, 0xFEE838,
), "magma": (
    0x000004, 0x0A0822, 0x1D1147, 0x36106B, 0x51127C, 0x6A1C81, 0x832681, 0x9C2E7F, 0xB73779,
    0xD0416F, 0xE75263, 0xF56B5C, 0xFC8961, 0xFEA772, 0xFEC488, 0xFDE2A3, 0xFCFDBF,
), "grey": (0x000000, 0xFFFFFF)}
# Blue below the middle, orange above it: told apart with every kind of colour vision.
_DIVERGING: dict[Theme, tuple[int, ...]] = {
    "dark": (0x9CCBFF, 0x4A90E0, 0x2F5B92, 0x3A3A3A, 0x8A4A1E, 0xD9772B, 0xFFC27A),
    "light": (0x0B4A99, 0x3F7FCC, 0x9FC4F0, 0xF4F4F4, 0xF0B070, 0xD07A2A, 0x8F3D00),
    "contrast": (0x9CDCFF, 0x0090FF, 0x0A5299, 0x3A3A3A, 0x8A4400, 0xF07800, 0xFFD060),
}
# Eight hues after Okabe and Ito, moved in lightness so that each is legible on its background.
_SERIES: dict[Theme, tuple[int, ...]] = {
    "dark": (0x56B4E9, 0xF0A020, 0x20C997, 0xE58FC4, 0x8095FF, 0xFF7847, 0xF0E442, 0xB8C0C8),
    "light": (0x0072B2, 0xB36B00, 0x007A5A, 0xB0407F, 0x4B3FBF, 0xC04A00, 0x7A6F00, 0x555C63),
    "contrast": (0x00CCFF, 0xFFAA00, 0x00FF88, 0xFF7AD9, 0x9F9FFF, 0xFF6A4D, 0xFFFF33, 0xD8D0B0),
}
_SERIES_256: dict[Theme, tuple[int, ...]] = {
    "dark": (0x5FAFFF, 0xFFAF00, 0x00D787, 0xFF87D7, 0x8787FF, 0xFF5F00, 0xFFFF5F, 0x949494),
    "light": (0x005FAF, 0xAF8700, 0x00875F, 0xAF0087, 0x5F5FFF, 0xD75F00, 0x5F5F00, 0x626262),
    "contrast": (0x00D7FF, 0xFFAF00, 0x00FF87, 0xFF87FF, 0xAF87FF, 0xFF5F5F, 0xFFFF00, 0xD7D7AF),
}
_SERIES_16: dict[Theme, tuple[tuple[int, int, int], ...]] = {  # dim, normal, bright
    "dark": tuple((0x555555, normal, bright) for normal, bright in (
        (0x00AAAA, 0x55FFFF), (0xAA5500, 0xFFFF55), (0x00AA00, 0x55FF55), (0xAA00AA, 0xFF55FF),
        (0x5555FF, 0x5555FF), (0xAA0000, 0xFF5555), (0xAAAAAA, 0xFFFFFF), (0x00AAAA, 0x55FFFF),
    )),
    "light": tuple((0xAAAAAA, normal, normal) for normal in (
        0x00AAAA, 0xAA5500, 0x00AA00, 0xAA00AA, 0x0000AA, 0xAA0000, 0x000000, 0x00AAAA,
    )),
    "contrast": tuple((normal, bright, bright) for normal, bright in (
        (0x00AAAA, 0x55FFFF), (0xAA5500, 0xFFFF55), (0x00AA00, 0x55FF55), (0xFF55FF, 0xFF55FF),
        (0xAAAAAA, 0xAAAAAA), (0xFF5555, 0xFF5555), (0xFFFFFF, 0xFFFFFF), (0x00AAAA, 0x00AAAA),
    )),
}
_RAMPS_16: dict[Theme, dict[Colours, tuple[int, int, int]]] = {
    "dark": {
        "viridis": (0x5555FF, 0x00AAAA, 0xFFFF55), "cividis": (0x5555FF, 0xAAAAAA, 0xFFFF55),
        "magma": (0xAA00AA, 0xFF5555, 0xFFFF55), "grey": (0x555555, 0xAAAAAA, 0xFFFFFF),
    },
    "light": {
        "viridis": (0xAA00AA, 0x00AAAA, 0x00AA00), "cividis": (0x0000AA, 0x555555, 0xAA5500),
        "magma": (0x000000, 0xAA00AA, 0xFF5555), "grey": (0x000000, 0x555555, 0xAAAAAA),
    },
    "contrast": {
        "viridis": (0x5555FF, 0x00AAAA, 0xFFFF55), "cividis": (0x5555FF, 0xAAAAAA, 0xFFFF55),
        "magma": (0xFF55FF, 0xFF5555, 0xFFFF55), "grey": (0xAAAAAA, 0xAAAAAA, 0xFFFFFF),
    },
}
_DIVERGING_16: dict[Theme, tuple[int, int]] = {
    "dark": (0x55FFFF, 0xFFFF55), "light": (0x0000AA, 0xAA5500), "contrast": (0x55FFFF, 0xFFFF55),
}
_ROLES: dict[tuple[Depth, Theme], dict[Role, int]] = {
    ("true", "dark"): {
        "text": 0x9AA5B1, "strong": 0xF2F5F8, "axis": 0x66717F, "grid": 0x333C47, "reference": 0x8792A0,
        "warn": 0xE6A53A, "ground": 0x12161C,
    },
    ("256", "dark"): {
        "text": 0x949494, "strong": 0xFFFFFF, "axis": 0x626262, "grid": 0x3A3A3A, "reference": 0x808080,
        "warn": 0xD7AF5F, "ground": 0x121212,
    },
    ("16", "dark"): {
        "text": 0xAAAAAA, "strong": 0xFFFFFF, "axis": 0x555555, "grid": 0x555555, "reference": 0xAAAAAA,
        "warn": 0xFFFF55, "ground": 0x000000,
    },
    ("true", "light"): {
        "text": 0x4A5560, "strong": 0x0B0F14, "axis": 0x8A949E, "grid": 0xC4CCD4, "reference": 0x6B7680,
        "warn": 0x9A5B00, "ground": 0xFFFFFF,
    },
    ("256", "light"): {
        "text": 0x4E4E4E, "strong": 0x000000, "axis": 0x808080, "grid": 0xAFAFD7, "reference": 0x6C6C6C,
        "warn": 0xAF5F00, "ground": 0xFFFFFF,
    },
    ("16", "light"): {
        "text": 0x555555, "strong": 0x000000, "axis": 0xAAAAAA, "grid": 0xAAAAAA, "reference": 0x555555,
        "warn": 0xAA5500, "ground": 0xFFFFFF,
    },
    ("true", "contrast"): {
        "text": 0xFFFFFF, "strong": 0xFFFFFF, "axis": 0xC0C0C0, "grid": 0x767676, "reference": 0xE0E0E0,
        "warn": 0xFFD700, "ground": 0x000000,
    },
    ("256", "contrast"): {
        "text": 0xFFFFFF, "strong": 0xFFFFFF, "axis": 0x949494, "grid": 0x767676, "reference": 0xD7D7FF,
        "warn": 0xFFD700, "ground": 0x000000,
    },
    ("16", "contrast"): {
        "text": 0xFFFFFF, "strong": 0xFFFFFF, "axis": 0xAAAAAA, "grid": 0xAAAAAA, "reference": 0xFFFFFF,
        "warn": 0xFFFF55, "ground": 0x000000,
    },
}
# fmt: on

_CUBE = (0, 95, 135, 175, 215, 255)
XTERM = np.array([(r, g, b) for r in _CUBE for g in _CUBE for b in _CUBE] + [(8 + 10 * i,) * 3 for i in range(24)], np.float64)
"""Red, green and blue of the colours 16 to 255 of an xterm."""
_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


def _unpack(colours: int | tuple[int, ...] | np.ndarray) -> np.ndarray:
    packed = np.asarray(colours, np.int64)
    return np.stack([packed >> 16, packed >> 8 & 255, packed & 255], axis=-1).astype(np.float64)


def _pack(rgb: np.ndarray) -> np.ndarray:
    whole = np.rint(np.clip(rgb, 0, 255)).astype(np.int32)
    return (whole[..., 0] << 16) | (whole[..., 1] << 8) | whole[..., 2]


def oklab(rgb: np.ndarray) -> np.ndarray:
    """Lightness, green-red and blue-yellow of colours ``(..., 3)`` given as 0 to 255."""
    part = rgb / 255
    linear = np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)
    return np.cbrt(linear @ _LMS.T) @ _LAB.T


def _srgb(lab: np.ndarray) -> np.ndarray:
    linear = np.clip((lab @ np.linalg.inv(_LAB).T) ** 3 @ np.linalg.inv(_LMS).T, 0, 1)
    return 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


@lru_cache(1)
def _candidates() -> tuple[np.ndarray, np.ndarray]:
    """The xterm colours that survive a conversion by nearest colour, packed and in Oklab, from dark to light."""
    grey = np.ptp(XTERM, axis=1) == 0
    faithful = (np.arange(len(XTERM)) >= 216) & (XTERM[:, 0] <= 148) | np.isin(XTERM[:, 0], (0, 255))
    rgb = XTERM[~grey | faithful]
    lab = oklab(rgb)
    order = np.argsort(lab[:, 0], kind="stable")
    return _pack(rgb[order]), lab[order]


def _nearest_ramp(lab: np.ndarray, *, rising: bool = True, avoided: np.ndarray | None = None) -> np.ndarray:
    """The xterm colours nearest to a ramp ``(levels, 3)`` whose lightness never falls (or never rises)."""
    packed, candidates = _candidates()
    path = lab if rising else lab[::-1]
    cost = ((path[:, None] - candidates[None]) ** 2 * np.array([1.5, 1.0, 1.0])).sum(axis=-1)
    if avoided is not None:
        cost[:, avoided] += 10.0
    total, came = cost[0], np.zeros((len(path), len(packed)), np.intp)
    for level in range(1, len(path)):
        best = np.minimum.accumulate(total)
        came[level] = np.maximum.accumulate(np.where(total == best, np.arange(len(total)), 0))
        total = best + cost[level]
    chosen = [int(total.argmin())]
    for level in range(len(path) - 1, 0, -1):
        chosen.append(int(came[level, chosen[-1]]))
    ramp = packed[chosen[::-1]]
    return ramp if rising else ramp[::-1]


def _sample(anchors: tuple[int, ...], levels: int, start: float = 0.0, stop: float = 1.0) -> np.ndarray:
    """Oklab colours of a ramp at ``levels`` places."""
    lab = oklab(_unpack(anchors))
    at = np.linspace(start, stop, levels) * (len(anchors) - 1)
    return np.stack([np.interp(at, np.arange(len(anchors)), lab[:, k]) for k in range(3)], axis=-1)


def luminance(colours: int | np.ndarray) -> np.ndarray:
    """The relative luminance of packed colours, from 0 to 1, after WCAG."""
    part = _unpack(colours) / 255
    return np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4) @ np.array([0.2126, 0.7152, 0.0722])


@dataclass(frozen=True, slots=True)
class Palette:
    """Which colours and characters a terminal can show, and the colour map a user chose."""

    depth: Depth = "true"
    theme: Theme = "dark"
    ascii: bool = False
    colours: Colours = "default"

    @property
    def coarse(self) -> bool:
        """Whether there are too few colours for a ramp: marks, shades and digits have to tell."""
        return self.depth in ("16", "none")

    def role(self, role: Role) -> int:
        """The colour of text, axes and the like."""
        return -1 if self.depth == "none" else _ROLES[self.depth, self.theme][role]

    def fades(self) -> np.ndarray:
        """Colours ``(8 series, FADES)`` from the earliest point to the newest."""
        return _fades(self)

    def series(self, index: int, strength: float = 1.0) -> int:
        """The colour of a series, at full strength or faded."""
        return int(_fades(self)[index % 8, round(max(0.0, min(1.0, strength)) * (FADES - 1))])

    def shadow(self, index: int) -> int:
        """The colour of what lies behind a series: its single networks, its band."""
        return int(_shadows(self)[index % 8])

    def ramp(self, *, faint: bool = False) -> np.ndarray:
        """``LEVELS`` colours for points and lines, of which none vanishes in the background; ``faint`` for what lies behind."""
        return _ramp(self)[:, 0] if faint else _ramp(self)[:, -1]

    def faded_ramp(self) -> np.ndarray:
        """Colours ``(LEVELS, FADES)``: each of the ramp from the earliest point to the newest."""
        return _ramp(self)[:, 1:]

    def heat(self) -> np.ndarray:
        """A map for areas, dark to light, at most 32 steps."""
        return _heat(self)

    def diverging(self) -> np.ndarray:
        """A map for areas around a middle, at most 33 steps; with 16 colours one below the middle and one above it."""
        return _diverging(self)

    def greys(self) -> np.ndarray:
        """Greys for pictures, black to white."""
        return _greys(self)


def legible(grounds: np.ndarray) -> np.ndarray:
    """Black or white, whichever reads better on each of the colours."""
    return np.where(luminance(grounds) > 0.179, 0x000000, 0xFFFFFF).astype(np.int32)


def _ground(palette: Palette) -> np.ndarray:
    return oklab(_unpack(_ROLES[palette.depth, palette.theme]["ground"]))


def _blend(lab: np.ndarray, palette: Palette, strength: np.ndarray) -> np.ndarray:
    """Colours in Oklab ``(colours, 3)`` at the given strengths against the background, ``(colours, steps, 3)``."""
    part = strength[None, :, None]
    return lab[:, None] * part + _ground(palette) * (1 - part)


def _newest(palette: Palette) -> np.ndarray:
    return oklab(_unpack((_SERIES if palette.depth == "true" else _SERIES_256)[palette.theme]))


@lru_cache(128)
def _shadows(palette: Palette) -> np.ndarray:
    if palette.coarse:
        return _fades(palette)[:, 0]
    lab = _blend(_newest(palette), palette, np.array([_SHADOW[palette.theme]]))
    return _pack(_srgb(lab))[:, 0] if palette.depth == "true" else np.concatenate([_nearest_ramp(one) for one in lab])


@lru_cache(128)
def _fades(palette: Palette) -> np.ndarray:
    depth, theme = palette.depth, palette.theme
    if depth == "none":
        return np.full((8, FADES), -1, np.int32)
    if depth == "16":
        return np.array(_SERIES_16[theme], np.int32)[:, _thirds(FADES)]
    lab = _blend(_newest(palette), palette, np.linspace(_WEAKEST[theme], 1.0, FADES))
    if depth == "true":
        return _pack(_srgb(lab))
    return np.stack([_nearest_ramp(series, rising=theme != "light") for series in lab])


def _thirds(count: int) -> np.ndarray:
    return np.rint(np.linspace(0.0, 2.0, count)).astype(np.intp)


@lru_cache(128)
def _ramp(palette: Palette) -> np.ndarray:
    """Colours ``(LEVELS, 1 + FADES)``: what lies behind points, then the points from the earliest to the newest."""
    depth, theme = palette.depth, palette.theme
    if depth == "none":
        return np.full((LEVELS, 1 + FADES), -1, np.int32)
    name: Colours = "viridis" if palette.colours == "default" else palette.colours
    if depth == "16":
        three = np.array(_RAMPS_16[theme][name], np.int32)
        return np.repeat(three[_thirds(LEVELS)][:, None], 1 + FADES, axis=1)
    lab = _sample(_MAPS[name], LEVELS, 0.08, 1.0)
    low, high = _LIGHTNESS[theme]
    lab[:, 0] = low + (high - low) * (lab[:, 0] - lab[0, 0]) / (lab[-1, 0] - lab[0, 0])
    faded = _blend(lab, palette, np.array([0.5, *np.linspace(_WEAKEST_OF_RAMP, 1.0, FADES)]))
    if depth == "true":
        return _pack(_srgb(faded))
    return np.stack([_nearest_ramp(faded[:, k]) for k in range(1 + FADES)], axis=1)


@lru_cache(128)
def _heat(palette: Palette) -> np.ndarray:
    if palette.coarse:
        return np.full(5, palette.role("text"), np.int32)
    lab = _sample(
        _MAPS["cividis" if palette.colours == "default" else palette.colours], 32 if palette.depth == "true" else LEVELS
    )
    if palette.theme == "contrast":
        lab[:, 0] = 0.3 + 0.68 * (lab[:, 0] - lab[0, 0]) / (lab[-1, 0] - lab[0, 0])
    return _pack(_srgb(lab)) if palette.depth == "true" else _nearest_ramp(lab)


@lru_cache(128)
def _diverging(palette: Palette) -> np.ndarray:
    if palette.depth == "none":
        return np.full(2, -1, np.int32)
    if palette.depth == "16":
        return np.array(_DIVERGING_16[palette.theme], np.int32)
    half = 16 if palette.depth == "true" else 8
    lab = _sample(_DIVERGING[palette.theme], 2 * half + 1)
    away = np.abs(np.arange(2 * half + 1) - half) / half
    lab[:, 0] = lab[half, 0] + ((lab[0, 0] + lab[-1, 0]) / 2 - lab[half, 0]) * away
    if palette.depth == "true":
        return _pack(_srgb(lab))
    packed, candidates = _candidates()
    ground, up = packed == palette.role("ground"), palette.theme != "light"
    # Pale colours may lie nearest to others of the opposite hue, and white to nothing at all.
    below, above = (ground | (candidates[:, 1:] @ end[1:] < -1e-4) for end in (lab[0], lab[-1]))
    return np.concatenate(
        [_nearest_ramp(lab[:half], rising=not up, avoided=below), _nearest_ramp(lab[half:], rising=up, avoided=above)]
    )


@lru_cache(128)
def _greys(palette: Palette) -> np.ndarray:
    if palette.depth == "true":
        return _pack(np.repeat(np.linspace(0, 255, 32)[:, None], 3, axis=1))
    if palette.depth == "256":
        return _pack(np.repeat(8.0 + 10.0 * np.arange(0, 24)[:, None], 3, axis=1))
    return np.full(5, palette.role("text"), np.int32)
