# The configuration, the shards, and functions that all rules share.

from contextlib import contextmanager
from pathlib import Path

from pipeline.commands.console import SAY
from pipeline.config import merge, read_values
from pipeline.errors import BuildError
from pipeline.runner.demands import gpus_asked, minutes_of_job
from pipeline.runner.jobs import (
    job_names,
    jobs_read,
    memory_of_job,
    shards_of_job,
    shards_seen,
)
from pipeline.runner.tidy import remove_empty_folders
from pipeline.stages import STAGES, is_adopted, needed_for, slots, wanted
from pipeline.workflow.closing import closing_words, forget_stop
from pipeline.workflow.mirrors import store_all
from pipeline.workflow.start import start
from snakemake.exceptions import WorkflowError


class BuildStopped(WorkflowError):
    """A problem that the user must fix; pipeline/commands/console.py prints only its message."""


@contextmanager
def told_by_snakemake(where=""):
    """Pass a problem that the user must fix to Snakemake, which ends with it."""
    try:
        yield
    except BuildError as error:
        raise BuildStopped(f"{where}{error}")


def say(words):
    """Print a line for the user, through Snakemake's logger."""
    logger.info(words, extra={SAY: True})


with told_by_snakemake():
    # Snakemake reads YAML 1.1, in which off is false and 0010 is 8: read what was written again
    merge(config, read_values(tuple(map(Path, workflow.overwrite_configfiles)), ()))
    merge(config, workflow.config_settings.config)
    START = start(
        config,
        main=workflow.is_main_process,
        dry_run=workflow.output_settings.dryrun,
        say=say,
    )

CONFIG, FILES = START.config, START.config.layout
SELECTED = START.selected
ADOPTED = is_adopted(CONFIG)


wildcard_constraints:
    shard=r"\d+|clips-[0-9a-f]{8}",


def settings_digest(step):
    """A parameter that changes whenever a step's results would; computed when a job is planned."""

    def of_step(wildcards):
        with told_by_snakemake(f"stage {step}: "):
            return START.digest(step)

    return of_step


def settings_of(step, record=None):
    """A step's settings file; newer than anything that was made with other settings."""

    def of_job(wildcards):
        own = record and Path(str(record).format(**dict(wildcards.items())))
        with told_by_snakemake():  # it may fetch a model
            return START.settings_input(step, own)

    return of_job


def shards_known(job):
    """All shards; the process that runs a job goes by the job's number."""
    return SELECTED if workflow.is_main_process else shards_seen(job, SELECTED)


def shard_files(stage):
    """The shard files that a job of a stage reads."""

    def of_job(wildcards):
        with told_by_snakemake():
            return [
                str(FILES.shard(s))
                for s in shards_of_job(
                    stage, wildcards.shard, shards_known(wildcards.shard)
                )
            ]

    return of_job


def inputs_of(stage):
    """What a job of a stage reads: one function, since Snakemake takes longer to call three."""
    shards = shard_files(stage)
    settings = settings_of(stage, FILES.record(stage, "{shard}"))

    def of_job(wildcards):
        with told_by_snakemake():
            known = shards_known(wildcards.shard)
            jobs = jobs_read(CONFIG, stage, wildcards.shard, known)
        return {
            "shards": shards(wildcards),
            "settings": settings(wildcards),
            "records": [FILES.record(name, job) for name, job in jobs],
        }

    return of_job


def records(stage):
    """The records of a stage, one per job."""
    return [FILES.record(stage, job) for job in job_names(stage, SELECTED)]


def lasting_records(stages, otherwise=()):
    """The records of the stages whose files are kept; if there is none, those of others.

    They are listed when a job that reads them is planned. Most processes plan only one job and need
    none of these lists, which have thousands of entries.
    """
    lasting = [name for name in stages if not STAGES[name].transient]

    def of_job(wildcards):
        return [record for name in lasting or otherwise for record in records(name)]

    return of_job


def record_of(stage):
    """The record that a job writes; that of a stage whose files go is deleted with them."""
    record = str(FILES.record(stage.name, "{shard}"))
    return temp(record) if stage.is_lent(CONFIG) else record


def job_threads(stage):
    """Threads of each of a stage's jobs: one if there are enough jobs for all cores.

    While a job loads its libraries, it uses only one core.
    """
    if not workflow.is_main_process or workflow.resource_settings.nodes is not None:
        return stage.threads  # on a cluster, each job has its own cores
    cores = workflow.resource_settings.cores
    jobs = len(job_names(stage.name, SELECTED))
    return 1 if cores and jobs >= 2 * cores else stage.threads


def job_memory_of(stage):
    """Memory of a stage's jobs, in MB: it depends on the clips of their shards."""

    def of_job(wildcards, threads, attempt):
        shards = map(Path, shard_files(stage.name)(wildcards))
        return memory_of_job(CONFIG, stage, shards, threads) * attempt

    return of_job


def job_minutes_of(stage):
    """Time limit of a stage's jobs, in minutes, for clusters."""

    def of_job(wildcards, threads, attempt):
        shards = map(Path, shard_files(stage.name)(wildcards))
        return minutes_of_job(CONFIG, stage, shards, threads, attempt)

    return of_job


# targets that build one stage, or the stage in a slot, for all clips: snakemake stage_audio
SLOTS = slots(CONFIG)
for target, stage in {**{s.name: s for s in STAGES.values()}, **SLOTS}.items():

    rule:
        name:
            f"stage_{target}"
        input:
            lasting_records(needed_for([stage.name]), otherwise=[stage.name]),
        localrule: True


onstart:
    forget_stop(CONFIG)
    # now, on the machine that plans and may have network, not when the first job starts
    with told_by_snakemake():
        due = [job.rule.name for job in workflow.dag.needrun_jobs()]
        START.check_ready(
            due, elsewhere=workflow.resource_settings.nodes is not None
        )


onsuccess:
    remove_empty_folders(CONFIG)
    with told_by_snakemake():
        store_all(CONFIG)
    print(closing_words(CONFIG), end="")


onerror:
    with told_by_snakemake():
        store_all(CONFIG)
    print(closing_words(CONFIG), end="")
