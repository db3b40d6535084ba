"""Settings of the build folder."""

from __future__ import annotations

from pipeline.settings import Settings, operational


class StoreSettings(Settings):
    """How the files of a build are kept."""

    pack: bool = operational(False)
    """true: one file per job of a stage (packs/STAGE/0000.zip) in place of one per clip, where the
    number of files is limited. It can be changed at any time and recomputes nothing: packs and
    single files are both read."""
