"""The numbers of the CH-SIMS paper (Yu et al., ACL 2020) that a corpus is held against.

Its results (Tables 2, 4 and 5) are in `pipeline.train.paper_tables`.
"""

from __future__ import annotations

from types import MappingProxyType

CORPUS = MappingProxyType(
    {
        "videos": 60,
        "clips": 2281,
        "male": 1500,
        "female": 781,
        "speakers": 474,
        "seconds": 3.67,
        "words": 15,
    }
)
"""Table 1: counts; mean clip length in seconds; mean words a clip."""

SPLIT = MappingProxyType(
    {
        "train": (1368, 452, 290, 207, 208, 211),
        "valid": (456, 151, 97, 69, 69, 70),
        "test": (457, 151, 97, 69, 69, 71),
    }
)
"""Table 3: total, NG, WN, NU, WP, PS."""
