"""Every colour of the report, for the page and for its charts.

Hues are those of Okabe and Ito (modalities) and of ColorBrewer's PuOr (classes), which stay apart
with the common colour vision deficiencies. Charts are drawn with stand-in colours that become
CSS variables, so that one drawing serves the light, the dark and the printed page.
"""

from __future__ import annotations

from types import MappingProxyType

LIGHT = MappingProxyType(
    {
        "page": "#fbfaf8",
        "card": "#ffffff",
        "sunken": "#f3f1ed",
        "ink": "#1f2328",
        "soft": "#59616b",
        "line": "#dedad3",
        "accent": "#0b5c8a",
        "accent-soft": "#e6f0f6",
        "good": "#00705a",
        "good-soft": "#e2f2ee",
        "warn": "#8a5200",
        "warn-soft": "#fbf0dc",
        "bad": "#b03a06",
        "bad-soft": "#fbe9e1",
        "m": "#3d4450",
        "t": "#d55e00",
        "a": "#008f68",
        "v": "#0072b2",
        "ng": "#b35806",
        "wn": "#eba24f",
        "nu": "#9aa0a6",
        "wp": "#9b8fc9",
        "ps": "#5b3292",
    }
)

DARK = MappingProxyType(
    {
        "page": "#14171a",
        "card": "#1c2024",
        "sunken": "#22272c",
        "ink": "#e6e8ea",
        "soft": "#a3abb3",
        "line": "#343a41",
        "accent": "#7cc0ea",
        "accent-soft": "#17303f",
        "good": "#5fc9ac",
        "good-soft": "#16332c",
        "warn": "#e7b35c",
        "warn-soft": "#382a12",
        "bad": "#f4936a",
        "bad-soft": "#3d2016",
        "m": "#c4cad1",
        "t": "#f08a3c",
        "a": "#2fbd92",
        "v": "#4aa8e0",
        "ng": "#d0761f",
        "wn": "#f0b56c",
        "nu": "#8b9299",
        "wp": "#b4a9de",
        "ps": "#8f68c9",
    }
)

STANDINS = MappingProxyType({name: f"#0000{index + 16:02x}" for index, name in enumerate(LIGHT)})
"""The colour that means a variable while matplotlib draws."""


def css_variables(colours: MappingProxyType[str, str]) -> str:
    """Return the palette as declarations of CSS variables."""
    return "".join(f"--{name}:{value};" for name, value in colours.items())


def use_variables(svg: str) -> str:
    """Replace the stand-in colours of a drawing by CSS variables."""
    for name, standin in STANDINS.items():
        svg = svg.replace(standin, f"var(--{name})")
    return svg


def heat_scale(levels: int) -> list[str]:
    """Return matplotlib's cividis in `levels` steps, made for colour vision deficiencies."""
    from matplotlib import colormaps, colors

    scale = colormaps["cividis"].resampled(levels)
    return [str(colors.to_hex(scale(level))) for level in range(levels)]
