"""Colours of every picture. Categories have those of Okabe and Ito (2008), for colour-blind readers."""

from __future__ import annotations

BLUE, ORANGE, GREEN, PURPLE = "#0072B2", "#E69F00", "#009E73", "#CC79A7"
SKY, VERMILLION, YELLOW = "#56B4E9", "#D55E00", "#F0E442"
GREY, BROWN = "#999999", "#8C510A"  # beside Okabe and Ito's; black is left for text

CATEGORIES = (BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILLION, YELLOW, GREY)

# Matplotlib's maps, readable by the same people: of many categories in order, of signed figures, of sizes.
ORDERED_MAP, SIGNED_MAP, SIZE_MAP = "viridis", "PuOr_r", "cividis"

# The same categories for the thin lines of a web page, on its light and on its dark ground; those that are pale on the
# light ground are darker there. Vermillion comes second: it is the furthest from blue.
ON_PAGES = (
    (BLUE, SKY),
    (VERMILLION, "#FF8A3D"),
    (GREEN, "#2FC99A"),
    (PURPLE, "#E79CC8"),
    ("#B87A00", "#F0B840"),
    (SKY, "#8F9DFF"),
    ("#7A5C00", "#C4AD6A"),
    ("#4D4D4D", "#C0C4C8"),
)
