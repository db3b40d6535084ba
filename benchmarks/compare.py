"""Compare two result files of extract.py: what became faster or slower, and by how much.

python benchmarks/compare.py OLD.json NEW.json

Machines differ and are shared, so the speed-up over the recipe counts, which was measured in the
same minutes. The script prints and never fails.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

NOTABLE = 0.1


def compare(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """Return a line for each set of clips and stage that both files hold."""
    before = {(r["clips"], r["stage"]): r for r in old["results"]}
    lines = [f"{'clips':8} {'stage':8} {'old x':>8} {'new x':>8} {'change':>8}  ours ms/frame"]
    for row in new["results"]:
        other = before.get((row["clips"], row["stage"]))
        if other is None:
            continue
        change = row["speed_up"] / other["speed_up"] - 1
        word = "" if abs(change) < NOTABLE else "  faster" if change > 0 else "  SLOWER"
        lines.append(
            f"{row['clips']:8} {row['stage']:8} {other['speed_up']:8.1f} {row['speed_up']:8.1f} "
            f"{change:+8.0%}  {other['ours']['per_unit_ms']:.1f} -> "
            f"{row['ours']['per_unit_ms']:.1f}{word}"
        )
    return lines


def main() -> None:
    """Read the two files and print their comparison."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    options = parser.parse_args()
    files = [json.loads(path.read_text("utf-8")) for path in (options.old, options.new)]
    print("\n".join(compare(*files)))


if __name__ == "__main__":
    main()
