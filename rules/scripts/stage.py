from pathlib import Path

from pipeline.runner.run import run_stage
from pipeline.workflow.job import job

with job(snakemake) as config:
    shards = [Path(shard) for shard in snakemake.input.shards]
    record = Path(snakemake.output.record)
    run_stage(config, snakemake.rule, shards, record, snakemake.threads)
