"""Colours that stay apart, in order and legible, whichever map and theme a user chooses."""

import numpy as np
import pytest
from rich.color import Color, ColorSystem

from ibmon.plot import COLOUR_MAPS, Palette, draw
from ibmon.plot.palette import FADES, LEVELS, XTERM, luminance, oklab
from plot import samples

EVERY_PALETTE = [
    Palette(depth=depth, theme=theme, colours=colours)
    for depth in ("true", "256", "16")
    for theme in ("dark", "light", "contrast")
    for colours in COLOUR_MAPS
]
SMOOTH_PALETTES = [palette for palette in EVERY_PALETTE if palette.depth != "16"]


@pytest.mark.parametrize("palette", [p for p in EVERY_PALETTE if p.depth == "256"], ids=str)
def test_256_colours_survive_a_conversion(palette: Palette) -> None:
    used = [
        palette.fades(),
        np.array([palette.shadow(i) for i in range(8)]),
        palette.ramp(),
        palette.ramp(faint=True),
        palette.faded_ramp(),
        palette.heat(),
        palette.diverging(),
    ]
    roles = [palette.role(role) for role in ("text", "strong", "axis", "grid", "reference", "warn")]
    for r, g, b in rgb(np.concatenate([*(a.ravel() for a in used), roles])).astype(int).tolist():
        number = Color.from_rgb(r, g, b).downgrade(ColorSystem.EIGHT_BIT).number
        assert number is not None
        assert tuple(XTERM[number - 16]) == (r, g, b)


def rgb(packed: np.ndarray) -> np.ndarray:
    return np.stack([packed >> 16, packed >> 8 & 255, packed & 255], axis=-1).astype(float)


def lightness(colours: np.ndarray) -> np.ndarray:
    return oklab(rgb(colours))[..., 0]


@pytest.mark.parametrize("palette", SMOOTH_PALETTES, ids=str)
def test_ramps_never_fall_in_lightness(palette: Palette) -> None:
    for ramp in (palette.ramp(), palette.heat(), palette.greys()):
        assert (np.diff(lightness(ramp)) >= -1e-3).all()
        assert len(set(ramp.tolist())) >= 8
    assert palette.ramp().shape == (LEVELS,)
    ground = lightness(np.array(palette.role("ground")))
    assert (np.abs(lightness(palette.ramp()) - ground) > 0.2).all()
    assert (np.abs(lightness(palette.faded_ramp()) - ground) > 0.12).all()
    assert (np.diff(lightness(palette.faded_ramp()), axis=0) >= -1e-3).all()
    assert palette.faded_ramp()[:, -1].tolist() == palette.ramp().tolist()
    faded, newest = palette.fades()[:, 0], palette.fades()[:, -1]
    contrast = np.abs(lightness(faded) - ground) / np.abs(lightness(newest) - ground)
    assert (contrast >= 0.4).all()
    assert len(set(newest.tolist())) == 8


@pytest.mark.parametrize("palette", SMOOTH_PALETTES, ids=str)
def test_diverging_maps_change_evenly_to_both_sides(palette: Palette) -> None:
    colours = palette.diverging()
    light = lightness(colours)
    half = len(colours) // 2
    away = 1 if palette.theme != "light" else -1
    assert (away * np.diff(light[half:]) >= -1e-3).all()
    assert (away * np.diff(light[half::-1]) >= -1e-3).all()
    assert np.abs(light - light[::-1]).max() < 0.1
    blue_yellow = oklab(rgb(colours))[:, 2]
    assert blue_yellow[: half // 2].max() < -0.04
    assert blue_yellow[-(half // 2) :].min() > 0.04
    assert colours[half] != palette.role("ground")


def test_maps_differ() -> None:
    for depth in ("true", "256", "16"):
        assert len({Palette(depth=depth, colours=c).ramp().tobytes() for c in COLOUR_MAPS}) == len(COLOUR_MAPS) - 1
    assert Palette().ramp().tolist() == Palette(colours="viridis").ramp().tolist()
    assert Palette().heat().tolist() == Palette(colours="cividis").heat().tolist()


@pytest.mark.parametrize("palette", [p for p in EVERY_PALETTE if p.theme == "contrast"], ids=str)
def test_the_contrast_theme_keeps_its_ratios(palette: Palette) -> None:
    def ratios(colours: np.ndarray | int) -> np.ndarray:
        return (luminance(colours) + 0.05) / (luminance(palette.role("ground")) + 0.05)

    for role in ("text", "strong", "reference", "warn"):
        assert ratios(palette.role(role)) >= 7
    assert palette.role("text") == 0xFFFFFF
    assert ratios(palette.role("axis")) >= 4.5
    assert (ratios(palette.fades()[:, FADES // 2 :]) >= 4.5).all()
    assert (ratios(palette.ramp()[LEVELS // 2 :]) >= 4.5).all()
    assert (ratios(palette.heat()[len(palette.heat()) // 2 :]) >= 4.5).all()
    far = np.abs(np.linspace(-1, 1, len(palette.diverging()))) >= 0.5
    assert (ratios(palette.diverging()[far]) >= 4.5).all()


@pytest.mark.parametrize("palette", SMOOTH_PALETTES, ids=str)
def test_values_in_cells_are_legible(palette: Palette) -> None:
    for figure in (samples.confusion(), samples.net_flow()):
        chart = draw(figure, 80, 20, palette=palette)
        grid, box = chart.grid, chart.frame
        at = np.s_[box.top : box.top + box.height, box.left : box.left + box.width]
        digits = (grid.ch[at] >= ord("0")) & (grid.ch[at] <= ord("9"))
        ink, ground = luminance(grid.fg[at][digits]), luminance(grid.bg[at][digits])
        assert digits.sum() >= 49
        assert ((np.maximum(ink, ground) + 0.05) / (np.minimum(ink, ground) + 0.05) >= 4.5).all()
