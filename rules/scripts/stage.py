from pathlib import Path

from pipeline.job import job
from pipeline.shard import run_stage

with job(snakemake) as config:
    shards = [Path(shard) for shard in snakemake.input.shards]
    record = Path(snakemake.output.record)
    run_stage(config, snakemake.rule, shards, record, snakemake.threads)
