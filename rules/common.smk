# The configuration, the shards and what all rules share.

from contextlib import contextmanager
from functools import cache
from pathlib import Path

from pipeline.runner import jobs
from pipeline.runner.children import note_builder
from pipeline.config import make_config, merge, read_values
from pipeline.commands.console import SAY
from pipeline.errors import BuildError, NotHereError
from pipeline.extractor import check_device
from pipeline.manifest.sheet import require_labels
from pipeline.workflow.locks import claim_build
from pipeline.workflow.recheck import false_records, forget_records
from pipeline.stages import STAGES, needed_for
from pipeline.workflow.settings_files import (
    STEPS,
    changed_settings,
    new_file,
    settings_file,
    write_settings,
)
from pipeline.store.files import digest
from pipeline.text.source import have_model
from pipeline.workflow.closing import closing_words, forget_stop
from snakemake.exceptions import WorkflowError


class BuildStopped(WorkflowError):
    """What the person at the keyboard has to mend; pipeline/commands/console.py prints its words alone."""


@contextmanager
def told_by_snakemake(where=""):
    """Hand what the person at the keyboard has to mend to Snakemake, which ends with it."""
    try:
        yield
    except BuildError as error:
        raise BuildStopped(f"{where}{error}")


def say(words):
    """Tell the person at the keyboard, through whatever prints Snakemake's messages."""
    logger.info(words, extra={SAY: True})


with told_by_snakemake():
    # Snakemake reads YAML 1.1, in which off is false and 0010 is 8: read what was written again
    merge(config, read_values(tuple(map(Path, workflow.overwrite_configfiles)), ()))
    merge(config, workflow.config_settings.config)
    CONFIG = make_config(config)
    SHARDS = jobs.shard_names(CONFIG)


@cache
def told(step):
    """What decides a step's result, beside the files that it reads."""
    return STEPS[step](CONFIG)


CHANGED, FALSE = [], []  # of the last build: steps with other settings, false records

if workflow.is_main_process:
    note_builder()
    DRY_RUN = workflow.output_settings.dryrun
    with told_by_snakemake():
        if DRY_RUN or claim_build(CONFIG):
            CHANGED = changed_settings(CONFIG, told)
            FALSE = false_records(CONFIG)
        if not DRY_RUN:
            write_settings(CONFIG, CHANGED)
            forget_records(CONFIG, FALSE)
        for changed in CHANGED:
            if not changed.is_new:
                say(f"{changed.step}: its settings differ from the last build's")
        for record in FALSE:
            if record.stem.startswith("clips-"):
                continue  # of an earlier call with --clip
            say(f"{record} does not hold any more: what it names is looked at again")

PROCESSED = str(CONFIG.processed)
SELECTED = [jobs.selection_name(CONFIG)] if CONFIG.run.clips else SHARDS


wildcard_constraints:
    shard=r"\d+|clips-[0-9a-f]{8}",


def settings_digest(step):
    """A parameter that changes when a step's results would; asked when a job is planned."""

    def of_step(wildcards):
        with told_by_snakemake(f"stage {step}: "):
            try:
                return digest(told(step))
            except NotHereError:
                if workflow.is_main_process and DRY_RUN:
                    return "not known before it is fetched"
                raise

    return of_step


@cache
def fetch(step):
    """Download the model that a step's settings file has to name by its content."""
    with told_by_snakemake():
        try:
            told(step)
        except NotHereError:
            have_model(CONFIG.text)
            write_settings(CONFIG, changed_settings(CONFIG, told))
        except BuildError:
            pass  # a planned job says it, with its step's name


def settings_of(step):
    """A step's settings file, once it could be written: newer than what was made with others.

    A dry run has not written it, nor removed the false records; a new file stands for it.
    """
    path = settings_file(CONFIG, step)

    def of_job(wildcards):
        if workflow.is_main_process and not DRY_RUN:
            fetch(step)
        if workflow.is_main_process and DRY_RUN:
            own = f"records/{step}/{wildcards.get('shard')}.json"
            if step == "train":
                own = f"experiments/{wildcards.get('experiment')}/{wildcards.get('model')}.json"
            changed = [each.step for each in CHANGED]
            if step in changed or CONFIG.processed / own in FALSE:
                return [str(new_file())]
        return [str(path)] if path.is_file() else []

    return of_job


def shard_files(stage):
    """The shard files that a job of a stage reads."""

    def of_job(wildcards):
        with told_by_snakemake():
            names = jobs.shards_of_job(stage, wildcards.shard, SELECTED)
        return expand(PROCESSED + "/shards/{shard}.json", shard=names)

    return of_job


def records(stage):
    """The records of a stage, one a job."""
    return expand(
        PROCESSED + "/records/{stage}/{shard}.json",
        stage=stage,
        shard=jobs.job_names(stage, SELECTED),
    )


def lasting_records(stages):
    """The records of those stages whose files are there to stay."""
    return [records(stage) for stage in stages if not STAGES[stage].transient]


def job_threads(stage, most):
    """Threads of each of a stage's jobs: `most`, or one where there are jobs enough for all cores.

    While a job loads its libraries it keeps one core busy, however many it has.
    """
    if not workflow.is_main_process or workflow.resource_settings.nodes is not None:
        return most  # on a cluster a job has cores of its own
    cores = workflow.resource_settings.cores
    count = len(jobs.job_names(stage, SELECTED))
    return 1 if cores and count >= 4 * cores else most


# targets that build one stage of all clips: snakemake --cores 8 stage_audio
for stage in STAGES:

    rule:
        name:
            f"stage_{stage}"
        input:
            lasting_records(needed_for([stage])) or records(stage),
        localrule: True


onstart:
    forget_stop(CONFIG)
    # now and here, where there may be a network: not when the first of its jobs starts
    due = {job.rule.name for job in workflow.dag.needrun_jobs()}
    with told_by_snakemake():
        if "text" in due:
            have_model(CONFIG.text)
        if "dataset" in due:
            require_labels(CONFIG)
        for step in due & {"faces", "text", "train"}:
            check_device(getattr(CONFIG, step).device, f"{step}.device")


onsuccess:
    print(closing_words(CONFIG), end="")


onerror:
    print(closing_words(CONFIG), end="")
