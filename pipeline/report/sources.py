"""What the report is made from, and what follows from it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.adopt.record import Adopted, read_adopted
from pipeline.config import Config, make_config, merge
from pipeline.corpus import LABELS
from pipeline.dataset.info import DatasetInfo
from pipeline.dataset.split import are_unlabelled
from pipeline.errors import BuildError
from pipeline.stage import Stage
from pipeline.stages import STAGES, slots, wanted
from pipeline.store.features import Store
from pipeline.store.files import read_json
from pipeline.store.quarantine import QuarantineEntry


@dataclass(frozen=True)
class Gap:
    """A piece that the build does not hold (yet), and the command that makes it."""

    what: str
    command: str


@dataclass(frozen=True)
class Build:
    """Everything the report is made from.

    Parameters
    ----------
    config : Config
        The configuration the report was asked for with.
    manifest : DataFrame, optional
        One row per usable clip (docs/architecture.md).
    votes : DataFrame, optional
        ``clip, modality, annotator, vote``.
    quarantine : list of QuarantineEntry
        Ordered by stage, then clip.
    dataset : DatasetInfo, optional
        Clips and attributes of ``dataset.h5``.
    done : dict of str to set of str
        Clips with a record, by stage.
    runs : list of dict
        Lines of ``logs/runs.jsonl``, and Snakemake's benchmarks of training jobs.
    gaps : dict of str to Gap
        Missing pieces by name.
    damaged : list of Gap
        Files that are not as they were written.
    """

    config: Config
    manifest: pd.DataFrame | None
    votes: pd.DataFrame | None
    quarantine: list[QuarantineEntry]
    dataset: DatasetInfo | None
    done: dict[str, set[str]]
    runs: list[dict[str, Any]]
    gaps: dict[str, Gap] = field(default_factory=dict)
    damaged: list[Gap] = field(default_factory=list)
    outdated: bool = False
    """The dataset is of an earlier build than the manifest or the features."""

    @property
    def root(self) -> Path:
        """The build's folder."""
        return self.config.processed

    @property
    def files(self) -> list[Path]:
        """The products that the report is made from, as far as they are there."""
        layout = self.config.layout
        first = (layout.manifest, layout.manifest_quarantine, layout.dataset, layout.quarantine)
        return [p for p in (*first, *sorted(layout.results.glob("*.json"))) if p.is_file()]

    @property
    def store(self) -> Store:
        """The feature files."""
        return Store(self.config.processed)

    @cached_property
    def usable(self) -> pd.DataFrame:
        """The manifest's rows that no stage has put in quarantine, in the sheet's order."""
        if self.manifest is None:
            return pd.DataFrame()
        lost = {item.clip for item in self.quarantine}
        return self.manifest[~self.manifest["clip"].isin(lost)].reset_index(drop=True)

    @cached_property
    def labelled(self) -> pd.DataFrame:
        """The usable rows that are not in the part unlabelled."""
        usable = self.usable
        if usable.empty:
            return usable
        labels = usable[list(LABELS)].to_numpy(np.float64)
        return usable[~are_unlabelled(usable["mode"], labels)]

    @property
    def clips_in(self) -> int:
        """Clips of the label sheet: those of the manifest and those it refused."""
        known = set() if self.manifest is None else set(self.manifest["clip"])
        return len(known | {item.clip for item in self.quarantine})

    @cached_property
    def slots(self) -> dict[str, Stage]:
        """The stage of each slot of the dataset that is filled."""
        return slots(self.made_with)

    @cached_property
    def stages(self) -> dict[str, Stage]:
        """The stages that the filled slots need, in the order data takes."""
        return {name: STAGES[name] for name in wanted(self.made_with)}

    @cached_property
    def adopted(self) -> Adopted | None:
        """The file that the features come from, if others made them."""
        with suppress(BuildError):
            return read_adopted(self.config.layout)
        return None

    @property
    def modalities(self) -> list[str]:
        """The modalities of the dataset; without one, those that the slots will fill."""
        if self.dataset is None:
            return list(self.slots)
        return list(self.dataset.length_statistics) or list(self.slots)

    @cached_property
    def adopted_steps(self) -> dict[str, dict[str, int]]:
        """The steps of each clip whose features were adopted, by modality."""
        if self.dataset is None or self.adopted is None:
            return {}
        clips, modalities = self.dataset.clips, self.modalities
        columns = [clips[f"{modality}_lengths"] for modality in modalities]
        return {
            str(clip): dict(zip(modalities, map(int, lengths), strict=True))
            for clip, *lengths in zip(clips["id"], *columns, strict=True)
        }

    def step_of(self, modality: str) -> str:
        """Return what a step of a modality is: a token, a frame."""
        stage = self.slots.get(modality)
        if stage is not None and stage.feature is not None:
            return stage.feature.step_of(stage.settings(self.made_with))
        described = self.dataset.attributes.get("modalities", {}) if self.dataset else {}
        return str(described.get(modality, {}).get("step", "step"))

    @property
    def features(self) -> dict[str, int]:
        """How many usable clips have the feature of each filled slot."""
        clips = set(self.usable["clip"]) if len(self.usable) else set()
        return {slot: len(clips & self.done[s.name]) for slot, s in slots(self.config).items()}

    @cached_property
    def parts(self) -> dict[str, str]:
        """The part of each clip of the dataset: train, valid, test or unlabelled."""
        if self.dataset is None:
            return {}
        return dict(zip(self.dataset.clips["id"], self.dataset.clips["part"], strict=True))

    @property
    def padded(self) -> dict[str, int]:
        """The common length of each modality; empty without a dataset."""
        if self.dataset is None:
            return {}
        return {name: int(v["padded"]) for name, v in self.dataset.length_statistics.items()}

    @property
    def feature_names(self) -> dict[str, list[str]]:
        """The name of each dimension of each slot's feature; empty without a dataset."""
        if self.dataset is None:
            return {}
        names = {slot: self.dataset.attributes.get(f"{slot}_names") for slot in self.modalities}
        return {slot: list(given) for slot, given in names.items() if given}

    @cached_property
    def older_results(self) -> list[str]:
        """Experiments whose models were trained on another dataset than the one that is there."""
        if self.dataset is None or self.dataset.digest is None:
            return []
        older = []
        for path in sorted(self.config.layout.results.glob("*.json")):
            with suppress(OSError, ValueError, TypeError, AttributeError):
                trained_on = read_json(path).get("dataset")
                if trained_on not in (None, self.dataset.digest):
                    older.append(path.stem)
        return older

    @cached_property
    def text_models(self) -> list[str]:
        """What the features say of the text model that made them, whatever is configured now."""
        return self.models_of("text")

    def models_of(self, stage: str) -> list[str]:
        """What the features of a stage say of the model that made them; empty without one."""
        attribute = f"{stage}_models"
        return self._stored(stage, attribute) if attribute in STAGES[stage].sources else []

    @property
    def rates(self) -> dict[str, float]:
        """Steps per second of each slot whose steps are spans of time; empty without a dataset."""
        stored = self.dataset.attributes.get("modalities") if self.dataset else None
        if not isinstance(stored, dict):
            return {}
        return {
            slot: float(made["steps_per_second"])
            for slot, made in stored.items()
            if isinstance(made, dict) and made.get("steps_per_second")
        }

    @cached_property
    def openface_programs(self) -> list[str]:
        """What the features say of the OpenFace that made them, by image or program and models."""
        return self._stored("openface", "openface_programs")

    def _stored(self, stage: str, attribute: str) -> list[str]:
        """Return a source of features (`Stage.sources`): from the dataset, else from the files."""
        stored = self.dataset.attributes.get(attribute) if self.dataset else None
        if stored:
            return [str(source) for source in stored]
        key = STAGES[stage].sources[attribute]
        headers = (self.store.header(stage, clip) for clip in sorted(self.done[stage]))
        found = {header["info"].get(key) for header in headers if header is not None}
        return sorted(str(source) for source in found if source)

    @cached_property
    def made_with(self) -> Config:
        """The settings that made the dataset and trained the models of Table 2.

        As stored in `dataset.h5` and in `results/table2.json`; without those, as given now.
        """
        values = self.config.model_dump(mode="json")
        stored = self.dataset.attributes.get("config") if self.dataset else None
        merge(values, stored if isinstance(stored, dict) else {})
        with suppress(OSError, ValueError, KeyError, TypeError):
            trained = read_json(self.config.layout.result("table2"))["settings"]
            values["train"] = {**values["train"], **trained}
        try:
            return make_config(values)
        except BuildError:
            return self.config  # stored by another version, which knew other settings
