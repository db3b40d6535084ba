# From the label sheet and the media files to one table and the shards.

from pipeline.manifest.find import sheet_files


rule manifest:
    input:
        sheets=[str(path) for path in sheet_files(CONFIG)],
        settings=settings_of("manifest", FILES.made("manifest")),
    output:
        made=FILES.made("manifest"),
        # only these: what does not change is no news to its jobs (pipeline/manifest/forecast.py)
        shards=update([str(FILES.shard(shard)) for shard in START.written]),
    log:
        FILES.logs / "manifest.log",
    threads: 4
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
    params:
        settings=settings_digest("manifest"),
    script:
        "scripts/manifest.py"


rule selection:
    input:
        manifest=FILES.made("manifest"),
    output:
        str(FILES.shard("clips-{digest}")),
    log:
        str(FILES.logs / "selection" / "{digest}.log"),
    wildcard_constraints:
        digest="[0-9a-f]{8}",
    localrule: True
    script:
        "scripts/selection.py"
