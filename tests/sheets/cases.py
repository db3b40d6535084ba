"""All sheets, by what is special about them."""

from __future__ import annotations

from tests.sheets.encodings import ENCODINGS
from tests.sheets.shapes import HEADERLESS, SHAPES
from tests.sheets.values import CLIPS, LABELS
from tests.sheets.workbooks import WORKBOOKS

CASES = [*ENCODINGS, *SHAPES, *HEADERLESS, *LABELS, *CLIPS, *WORKBOOKS]
