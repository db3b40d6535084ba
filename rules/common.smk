# The configuration, the shards and what all rules share.

from contextlib import contextmanager

from pipeline import layout
from pipeline.config import make_config
from pipeline.errors import BuildError
from pipeline.records import forget_false_records
from pipeline.stages import STAGES
from pipeline.verdict import closing_words, forget_stop
from snakemake.exceptions import WorkflowError


@contextmanager
def told_by_snakemake(where=""):
    """Hand what the person at the keyboard has to mend to Snakemake, which ends with it."""
    try:
        yield
    except BuildError as error:
        raise WorkflowError(f"{where}{error}")


with told_by_snakemake():
    CONFIG = make_config(config)
    SHARDS = layout.shard_names(CONFIG)

if workflow.is_main_process:
    for record in forget_false_records(CONFIG):
        logger.info(f"feature files of {record} are gone: they are made again")

PROCESSED = str(CONFIG.processed)
SELECTED = [layout.selection_name(CONFIG)] if CONFIG.run.clips else SHARDS


wildcard_constraints:
    shard=r"\d+|clips-[0-9a-f]{8}",


def settings_digest(stage):
    """A parameter that changes when a stage's results would; asked when a job is planned."""

    def of_stage(wildcards):
        with told_by_snakemake(f"stage {stage}: "):
            return STAGES[stage].settings_digest(CONFIG)

    return of_stage


def shard_files(stage):
    """The shard files that a job of a stage reads."""

    def of_job(wildcards):
        with told_by_snakemake():
            names = layout.shards_of_job(stage, wildcards.shard, SELECTED)
        return expand(PROCESSED + "/shards/{shard}.json", shard=names)

    return of_job


def records(stage):
    """The records of a stage, one a job."""
    return expand(
        PROCESSED + "/records/{stage}/{shard}.json",
        stage=stage,
        shard=layout.job_names(stage, SELECTED),
    )


# targets that build one stage of all clips: snakemake --cores 8 stage_audio
for stage in STAGES:

    rule:
        name:
            f"stage_{stage}"
        input:
            records(stage),
        localrule: True


onstart:
    forget_stop(CONFIG)


onsuccess:
    print(closing_words(CONFIG))


onerror:
    print(closing_words(CONFIG))
