from pathlib import Path

from pipeline.manifest.selection import select_clips
from pipeline.workflow.job import job

with job(snakemake) as config:
    shards = [Path(shard) for shard in snakemake.input.shards]
    select_clips(config, shards, Path(snakemake.input.quarantine), Path(snakemake.output[0]))
