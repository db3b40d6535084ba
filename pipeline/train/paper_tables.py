"""The paper's own results (test part, in percent), to compare with a run's."""

from __future__ import annotations

_TABLE2 = """
ef_lstm 69.37 0.0 51.73 2.0 21.02 0.2 81.91 0.0 59.34 0.3 -4.39 2.8
mfn     77.86 0.4 63.89 1.9 39.39 1.8 78.22 0.4 45.19 1.2 55.18 2.0
mult    77.94 0.9 65.03 2.1 35.34 2.9 79.10 0.9 48.45 2.6 55.94 0.6
lf_dnn  79.87 0.6 66.91 1.2 41.62 1.4 80.20 0.6 42.01 0.9 61.23 1.8
mlf_dnn 82.28 1.3 69.06 3.1 38.03 6.0 82.52 1.3 40.64 2.0 67.47 1.8
lmf     79.34 0.4 64.38 2.1 35.14 4.6 79.96 0.6 43.99 1.6 60.00 1.3
mlmf    82.32 0.5 67.70 2.2 37.33 2.5 82.66 0.7 42.03 0.9 63.13 1.9
tfn     80.66 1.4 64.46 1.7 38.38 3.6 81.62 1.1 42.52 1.1 61.18 1.2
mtfn    82.45 1.3 69.02 0.3 37.20 1.8 82.56 1.2 40.66 1.1 66.98 1.3
"""
# two rows of Table 4 are partly illegible in the text at hand; a dash is a value unread
_TABLE4 = """
A-by-A 67.70 79.61 53.80 10.07
A-by-M 65.47 71.44 57.89 14.54
V-by-V -     -     49.57 -
V-by-M 74.44 79.55 54.46 38.76
T-by-T -     -     41.79 -
T-by-M 75.19 78.43 52.73 38.55
"""
_TABLE5 = """
M       80.04 80.40 43.95 61.78
M-T     80.04 80.25 43.11 63.34
M-A     76.85 77.28 46.98 55.16
M-V     79.96 80.38 43.16 61.87
M-T-A   80.88 81.10 42.54 64.16
M-T-V   80.04 80.87 42.42 60.66
M-A-V   79.87 80.32 43.06 62.95
M-T-A-V 82.28 82.52 40.64 64.74
"""


def _read(table: str, columns: tuple[str, ...]) -> dict[str, dict[str, float]]:
    rows = (line.split() for line in table.strip().splitlines())
    return {
        name: {c: float(v) for c, v in zip(columns, values, strict=True) if v != "-"}
        for name, *values in rows
    }


_SHORT = ("acc2", "f1", "mae", "corr")
_LONG = ("acc2", "acc3", "acc5", "f1", "mae", "corr")
PAPER_RESULTS: dict[str, dict[str, dict[str, float]]] = {
    "table2": _read(_TABLE2, tuple(c for name in _LONG for c in (name, f"{name}_std"))),
    "table4": _read(_TABLE4, _SHORT),
    "table5": _read(_TABLE5, _SHORT),
}
"""By experiment and variant: metrics, and for Table 2 their deviations (``acc2_std``)."""
