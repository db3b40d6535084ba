# Sound becomes log F0, MFCC and CQT chroma.


rule audio:
    input:
        shards=shard_files("audio"),
        settings=settings_of("audio"),
    output:
        record=PROCESSED + "/records/audio/{shard}.json",
    log:
        PROCESSED + "/logs/audio/{shard}.log",
    # one process a shard: beside text, and the libraries are loaded once
    threads: 1
    resources:
        mem_mb=4000,
    params:
        settings=settings_digest("audio"),
    script:
        "scripts/stage.py"
