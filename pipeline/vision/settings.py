"""Settings of the vision stage."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from pipeline.openface.columns import FEATURE_GROUPS
from pipeline.settings import Settings, added_later

Group = Literal[
    "gaze",
    "eye_landmarks_2d",
    "eye_landmarks_3d",
    "pose",
    "landmarks_2d",
    "landmarks_3d",
    "pdm",
    "au_r",
    "au_c",
]
"""Names of OpenFace's groups of columns (`pipeline.openface.columns.FEATURE_GROUPS`)."""


def _in_openfaces_order(value: Any) -> Any:
    """Sort a list of groups as OpenFace writes them, and refuse what is not a choice of some."""
    if isinstance(value, str) and value == "all":
        return value
    if not isinstance(value, (list, tuple)):
        raise ValueError(f"give all, or a list such as [pose, au_r] (found {value!r})")
    unknown = [group for group in value if group not in list(FEATURE_GROUPS)]
    if unknown:
        known = ", ".join(FEATURE_GROUPS)
        raise ValueError(f"the groups of columns are {known} (found {unknown[0]!r})")
    if not value:
        raise ValueError("an empty list leaves no column; name groups, or set features.vision=none")
    twice = next((group for group in value if list(value).count(group) > 1), None)
    if twice is not None:
        raise ValueError(f"{twice} stands twice in the list")
    groups = tuple(group for group in FEATURE_GROUPS if group in value)
    return "all" if len(groups) == len(FEATURE_GROUPS) else groups


Columns = Annotated[Literal["all"] | tuple[Group, ...], BeforeValidator(_in_openfaces_order)]


class VisionSettings(Settings):
    """How OpenFace's rows become the vision feature."""

    rows: Literal["grid", "csv"] = "grid"
    """grid: each frame of the common grid takes its row of OpenFace's CSV; csv: the rows that
    OpenFace wrote, one after another, whatever their times (recipe)."""
    invalid: Literal["zero", "drop", "keep"] = "zero"
    """Rows that OpenFace marks success 0: zeros with the mask false, left out, or used like the
    others (recipe)."""
    pool: int = Field(1, ge=1)
    """Rows averaged into one vector, those in use only (recipe: 5; the last may be shorter)."""
    columns: Columns = added_later("all")
    """all: OpenFace's 709 values; or a list of its groups, kept in OpenFace's order: gaze (8),
    eye_landmarks_2d (112), eye_landmarks_3d (168), pose (6), landmarks_2d (136), landmarks_3d
    (204), pdm (40), au_r (17), au_c (18). CH-SIMS v2: [pose, landmarks_2d, au_r, au_c] (177)."""
