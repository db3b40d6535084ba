# Transcripts become BERT's token vectors.


rule text:
    input:
        shards=shard_files("text"),
        settings=settings_of("text"),
    output:
        record=PROCESSED + "/records/text/{shard}.json",
    log:
        PROCESSED + "/logs/text/{shard}.log",
    # first of all stages, so that a missing model is known before hours of faces
    priority: 10
    threads: 1
    resources:
        mem_mb=4000,
    params:
        settings=settings_digest("text"),
    script:
        "scripts/stage.py"
