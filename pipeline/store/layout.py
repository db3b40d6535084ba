"""The build folder's layout: the only place that spells a file's name in it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Layout:
    """The files of one build.

    Parameters
    ----------
    root : Path
        The build's folder, ``processed/`` or ``processed/demo/``.
    """

    root: Path

    @property
    def manifest(self) -> Path:
        """The table of usable clips."""
        return self.root / "manifest.parquet"

    @property
    def manifest_quarantine(self) -> Path:
        """The clips that the manifest rejected."""
        return self.root / "manifest_quarantine.json"

    @property
    def manifest_cache(self) -> Path:
        """Cached digests and probes of media files; may be deleted."""
        return self.root / "manifest_cache.sqlite"

    @property
    def votes(self) -> Path:
        """Individual votes, if the corpus has ``annotations.csv``."""
        return self.root / "votes.parquet"

    @property
    def shards(self) -> Path:
        """Folder of the shard files."""
        return self.root / "shards"

    def shard(self, name: str) -> Path:
        """Return the path of a shard file."""
        return self.shards / f"{name}.json"

    @property
    def numbered_shards(self) -> list[Path]:
        """The shard files of the whole corpus, in order, without those of ``--clip``."""
        found = (path for path in self.shards.glob("*.json") if path.stem.isdigit())
        return sorted(found, key=lambda path: int(path.stem))

    def settings(self, step: str) -> Path:
        """Return the path of a step's settings file."""
        return self.root / "settings" / f"{step}.json"

    def records(self, stage: str) -> Path:
        """Return the folder of a stage's job records."""
        return self.root / "records" / stage

    def record(self, stage: str, job: str) -> Path:
        """Return the path of a job's record."""
        return self.records(stage) / f"{job}.json"

    def made(self, step: str) -> Path:
        """Return the path of the record of what a step of the whole corpus made."""
        return self.root / "records" / f"{step}.json"

    def made_results(self, experiment: str) -> Path:
        """Return the path of the record of an experiment's results."""
        return self.made(f"results_{experiment}")

    @property
    def steps_made(self) -> list[str]:
        """The steps that have left a record of what they made."""
        return sorted(path.stem for path in self.made("x").parent.glob("*.json"))

    def packs(self, stage: str) -> Path:
        """Return the folder of a stage's packs."""
        return self.root / "packs" / stage

    def pack(self, stage: str, job: str) -> Path:
        """Return the path of the pack of a job's feature files."""
        return self.packs(stage) / f"{job}.zip"

    @property
    def scratch(self) -> Path:
        """Folder of files that exist only while a job runs."""
        return self.root / "scratch"

    @property
    def dataset(self) -> Path:
        """The dataset file."""
        return self.root / "dataset.h5"

    @property
    def quarantine(self) -> Path:
        """The complete list of clips that were left out."""
        return self.root / "quarantine.csv"

    @property
    def experiments(self) -> Path:
        """Folder of the experiments."""
        return self.root / "experiments"

    def experiment(self, name: str) -> Path:
        """Return the folder of an experiment: a record and a folder of seeds per model."""
        return self.experiments / name

    def trained(self, experiment: str, model: str) -> Path:
        """Return the path of a training job's record."""
        return self.experiment(experiment) / f"{model}.json"

    @property
    def results(self) -> Path:
        """Folder of tables and figures' data."""
        return self.root / "results"

    def result(self, experiment: str, kind: str = "json") -> Path:
        """Return the path of an experiment's results, as ``json`` or ``csv``."""
        return self.results / f"{experiment}.{kind}"

    @property
    def report(self) -> Path:
        """The report page."""
        return self.root / "report.html"

    @property
    def exhibits(self) -> Path:
        """Folder of the report's tables and figures, one by one."""
        return self.root / "report"

    @property
    def adopted(self) -> Path:
        """What is known of the file that an adopted dataset was made from."""
        return self.root / "adopted.json"

    @property
    def adopted_config(self) -> Path:
        """The configuration of an adopted folder."""
        return self.root / "config.yaml"

    @property
    def exports(self) -> Path:
        """Folder of exports to other formats, unless another place is named."""
        return self.root / "exports"

    @property
    def logs(self) -> Path:
        """Folder of logs, costs and locks."""
        return self.root / "logs"

    @property
    def packed(self) -> Path:
        """Copies of the page and the exhibits, which ``snakemake --report`` packs."""
        return self.logs / "packed"

    def progress(self, stage: str, job: str) -> Path:
        """Return the path of a job's progress counter."""
        return self.logs / stage / f"{job}.progress"

    def seen(self, stage: str) -> Path:
        """Return the path of the note on a stage's feature files (`store/seen.py`)."""
        return self.logs / "seen" / f"{stage}.json"

    @property
    def labels(self) -> Path:
        """The note on which labels the label sheet has (`workflow/labels.py`)."""
        return self.logs / "labels.json"

    @property
    def runs(self) -> Path:
        """The cost of each job, one JSON line per job."""
        return self.logs / "runs.jsonl"

    @property
    def verdict(self) -> Path:
        """Marks a build that did not lose too many clips."""
        return self.logs / "verdict.ok"

    @property
    def stopped(self) -> Path:
        """Why the last build stopped, if it did."""
        return self.logs / "stopped.txt"

    @property
    def build_lock(self) -> Path:
        """Lock of the running build."""
        return self.logs / "build.lock"

    def read_by(self, product: Path) -> Path:
        """Return the path of the file that lists what a product was made from."""
        name = product.relative_to(self.root).as_posix().replace("/", "_")
        return self.logs / "inputs" / f"{name}.json"

    @property
    def folders(self) -> list[Path]:
        """The folders that hold files of the whole build, those of single clips left out."""
        several = (self.records("x").parent, self.packs("x").parent, self.experiments)
        single = (self.root, self.shards, self.settings("x").parent, self.results, self.logs)
        return [*single, *(folder for parent in several for folder in sorted(parent.glob("*")))]

    def holds(self, path: Path) -> bool:
        """Tell whether a file belongs to this build, not to another one in a subfolder."""
        if not path.is_relative_to(self.root):
            return False
        first = path.relative_to(self.root).parts[:1]
        return bool(first) and first[0] in OWN


_HERE = Layout(Path())
OWN = {
    path.parts[0]
    for path in (
        *(_HERE.manifest, _HERE.manifest_quarantine, _HERE.manifest_cache, _HERE.votes),
        *(_HERE.shards, _HERE.settings("x"), _HERE.record("x", "x"), _HERE.scratch, _HERE.dataset),
        _HERE.packs("x"),
        *(_HERE.quarantine, _HERE.experiments, _HERE.results, _HERE.report, _HERE.exhibits),
        *(_HERE.adopted, _HERE.adopted_config, _HERE.exports, _HERE.logs),
    )
}
"""Everything directly in a build's folder, except the stages' feature files."""
