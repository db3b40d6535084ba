"""What happens before Snakemake plans its jobs, and what its rules ask afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from pipeline.config import Config, make_config
from pipeline.errors import BuildError, NotHereError
from pipeline.extractor import check_device
from pipeline.manifest.forecast import forecast
from pipeline.runner.children import note_builder
from pipeline.runner.jobs import selection_name, shard_names
from pipeline.runner.tidy import pack_build, tidy_build
from pipeline.settings import Settings
from pipeline.stage import Build
from pipeline.stages import STAGES, is_adopted, steps_of, wanted
from pipeline.store.files import digest, remove_left_over
from pipeline.store.scratch import sweep
from pipeline.workflow.adopted import check_adopted
from pipeline.workflow.labels import (
    Corpus,
    check_labels,
    labels_of,
    note_labels,
    noted_labels,
    read_corpus,
    untrained,
)
from pipeline.workflow.locks import claim_build
from pipeline.workflow.mirrors import fetch, fetch_to_look, lies_in_s3, store_all
from pipeline.workflow.recheck import delete_records, stale_records
from pipeline.workflow.settings_files import (
    Changed,
    ToldStep,
    changed_settings,
    is_newer,
    new_file,
    told_once,
    write_settings,
)
from pipeline.workflow.surroundings import check_surroundings

Say = Callable[[str], None]


@dataclass
class Start:
    """One start of Snakemake, in the process that plans or in one that runs a job.

    Parameters
    ----------
    config : Config
        The checked configuration.
    shards : list of str
        The shards of the whole corpus, as they will be once the manifest is up to date.
    labelled : bool
        Whether any clip has a label, so that models can be trained.
    labels : frozenset of str, optional
        The labels that some clip has; None if that is not known (an adopted dataset).
    main : bool
        Whether this process plans the build; False in a process that runs a job.
    dry_run : bool
        Nothing may be written.
    changed : list of Changed
        Steps whose settings or input files changed since the last build.
    stale : list of Path
        Records that are out of date.
    written : list of str
        The shards that the manifest will write; the jobs of the others need not wait for it.
    """

    config: Config
    shards: list[str]
    labelled: bool = True
    labels: frozenset[str] | None = None
    main: bool = False
    dry_run: bool = False
    changed: list[Changed] = field(default_factory=list)
    stale: list[Path] = field(default_factory=list)
    written: list[str] = field(default_factory=list)
    _digests: dict[str, str] = field(default_factory=dict, repr=False)
    _inputs: dict[str, list[str]] = field(default_factory=dict, repr=False)

    @property
    def selected(self) -> list[str]:
        """The shards to build: all, or the one of the requested clips."""
        return [selection_name(self.config)] if self.config.run.clips else self.shards

    @cached_property
    def told(self) -> ToldStep:
        """What decides a step's result, apart from the files that it reads: by step."""
        return told_once(self.config)

    def digest(self, step: str) -> str:
        """Return the digest of what decides a step's result."""
        try:
            if step not in self._digests:  # asked for each of thousands of jobs
                self._digests[step] = digest(self.told(step))
        except NotHereError:
            if self.dry_run:
                return "not known before it is fetched"
            raise
        return self._digests[step]

    def fetch(self, step: str) -> None:
        """Download the model that a step's settings file has to name by its content."""
        try:
            self.told(step)
        except NotHereError:
            self.check_ready([step], elsewhere=True)
            write_settings(self.config, changed_settings(self.config, [step], self.told))
        except BuildError:
            pass  # a planned job says it, with its step's name

    def settings_input(self, step: str, record: Path | None) -> list[str]:
        """Return the settings file that a step's job reads, if it could be written.

        A dry run has written no settings file and deleted no record; a file that is newer than
        all others then stands for both.

        Parameters
        ----------
        step : str
            A step of the DAG.
        record : Path, optional
            The job's own record.
        """
        if self.dry_run and (record in self.stale or step in {each.step for each in self.changed}):
            return [str(new_file())]
        if step not in self._inputs:
            if self.main and not self.dry_run:
                self.fetch(step)
            path = self.config.layout.settings(step)
            self._inputs[step] = [str(path)] if path.is_file() else []
        return self._inputs[step]

    def check_ready(self, steps: Iterable[str], *, elsewhere: bool = False) -> None:
        """Check that what the steps' jobs need is there, before the first one runs.

        Parameters
        ----------
        steps : iterable of str
            Steps of the DAG that have jobs to run.
        elsewhere : bool
            The jobs run on other machines, e.g. of a cluster, which may have GPUs that this one
            lacks: a device is then not looked for here.

        Raises
        ------
        BuildError
            If a model is missing, for example, and cannot be downloaded.
        """
        due = set(steps)
        config = on_any_device(self.config) if elsewhere else self.config
        if "train" in due:
            check_device(config.train.device, "train.device")
            check_labels(self.labels)
        for stage in (STAGES[name] for name in due & set(STAGES)):
            for needed in (stage, *stage.lenders(config)):
                if needed.ready is not None:
                    needed.ready(config)


def on_any_device(config: Config) -> Config:
    """Return a configuration in which each step computes on whatever device it finds.

    No result depends on the setting ``device`` (it is `operational`).
    """
    named = {
        name: group.model_copy(update={"device": "auto"})
        for name, group in config
        if isinstance(group, Settings) and hasattr(group, "device")
    }
    return config.model_copy(update=named)


def _prepare(config: Config) -> None:
    """Remove what killed jobs left half written, and let the stages note what their keys need."""
    for folder in config.layout.folders:
        remove_left_over(folder)
    # an earlier version remembered media files there
    (config.processed / "manifest_cache.json").unlink(missing_ok=True)
    for name in wanted(config):
        STAGES[name].begin(config)


def _tidy(build: Build, say: Say) -> None:
    """Reduce and pack features, and remove the folders that killed jobs left."""
    smaller, packed = tidy_build(build), pack_build(build)
    for stage, count in smaller.items():
        say(f"{stage}: dropped what no stage needs any longer of {count} clips")
    for stage, count in packed.items():
        say(f"{stage}: packed what was still in single files: {count} pack(s)")
    if smaller or packed:
        store_all(build.config)
    for path in sweep(build.config.layout.scratch):
        say(f"{path}, left by a killed job, could not be removed: remove it, it may hold faces")


def _begun_in_job(config: Config) -> Start:
    if is_adopted(config):
        return Start(config, [])
    return Start(config, shard_names(config), *labels_of(config))


def _begun(config: Config, dry_run: bool) -> tuple[Start, Corpus | None]:
    """Begin a start of the main process; return it, and the corpus if the sheet was read."""
    if is_adopted(config):  # there is no label sheet, and no clip to compute
        return Start(config, [], main=True, dry_run=dry_run), None
    noted, shards = noted_labels(config), shard_names(config)
    if noted is not None:
        return Start(config, shards, *noted, main=True, dry_run=dry_run), None
    corpus = read_corpus(config)
    return Start(config, shards, *corpus.labels, main=True, dry_run=dry_run), corpus


def _look_ahead(begun: Start, corpus: Corpus | None) -> None:
    """Note the shards as they will be once the manifest, if it is due, has been made."""
    config, record = begun.config, begun.config.layout.made("manifest")
    is_due = (
        "manifest" in config.run.force
        or record in begun.stale
        or "manifest" in {each.step for each in begun.changed}
        or not is_newer(record, config.layout.settings("manifest"))
    )
    if is_due:
        corpus = corpus or read_corpus(config)
        ahead = forecast(config, corpus.sheet, corpus.folders)
        begun.shards, begun.written = ahead.shards, ahead.changed


def _fetch(config: Config, dry_run: bool, say: Say) -> bool:
    """Claim the build and fetch what lies in S3; of a running build, nothing is replaced."""
    claimed = not dry_run and claim_build(config)
    for line in fetch(config) if claimed else fetch_to_look(config):
        say(line)
    return claimed


def start(values: Mapping[str, Any], *, main: bool, dry_run: bool, say: Say) -> Start:
    """Check the configuration; in the main process, also prepare the build folder.

    The main process claims the build, writes the settings files that changed and deletes the
    records that are out of date. If another build holds the lock, nothing is touched, and
    Snakemake refuses to run.

    Parameters
    ----------
    values : mapping
        The configuration as Snakemake merged it.
    main : bool
        Whether this process plans the build; False in a process that runs a job.
    dry_run : bool
        Only determine what would be written.
    say : callable
        Prints a line for the user.

    Raises
    ------
    BuildError
        If the configuration is wrong, the folder cannot be written, or a job of an earlier
        build is still running.
    """
    config = make_config(values)
    if not main:
        return _begun_in_job(config)
    claimed = _fetch(config, dry_run, say) if lies_in_s3(config) else False
    check_surroundings(config)
    note = check_adopted(config)
    if note:
        say(note)
    begun, corpus = _begun(config, dry_run)
    note_builder()
    if dry_run or claimed or (not lies_in_s3(config) and claim_build(config)):
        if not dry_run:
            _prepare(config)
        build = Build.of(config)
        begun.changed = changed_settings(config, steps_of(config), begun.told)
        begun.stale = stale_records(config, build.store, note=not dry_run)
        if not dry_run:
            _tidy(build, say)
        if not is_adopted(config):
            _look_ahead(begun, corpus)
        if corpus is not None and not dry_run:
            note_labels(config, corpus)
    if not dry_run:
        write_settings(config, begun.changed)
        delete_records(config, begun.stale)
    missing = untrained(config, begun.labels) if begun.labelled else None
    if missing:
        say(missing)
    for changed in begun.changed:
        if not changed.is_new:
            say(f"{changed.step}: settings or input files changed since the last build")
    for record in begun.stale:
        if not record.stem.startswith("clips-"):  # of an earlier call with --clip
            say(f"{record} is out of date; what it lists will be checked again")
    return begun
