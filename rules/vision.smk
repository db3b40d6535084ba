# From frames over faces and OpenFace to the 709-d vision feature.


rule frames:
    input:
        shards=shard_files("frames"),
        settings=settings_of("frames"),
    output:
        # temporary: made again when the faces of a shard have to be found again
        record=temp(PROCESSED + "/records/frames/{shard}.json"),
    log:
        PROCESSED + "/logs/frames/{shard}.log",
    threads: job_threads("frames", 4)
    resources:
        mem_mb=2000,
    params:
        settings=settings_digest("frames"),
    script:
        "scripts/stage.py"


rule faces:
    input:
        shards=shard_files("faces"),
        settings=settings_of("faces"),
        frames=PROCESSED + "/records/frames/{shard}.json",
    output:
        record=PROCESSED + "/records/faces/{shard}.json",
    log:
        PROCESSED + "/logs/faces/{shard}.log",
    threads: job_threads("faces", 4)
    resources:
        mem_mb=lambda wildcards, threads: 2000 * threads,
    params:
        settings=settings_digest("faces"),
    script:
        "scripts/stage.py"


rule openface:
    input:
        shards=shard_files("openface"),
        settings=settings_of("openface"),
        faces=PROCESSED + "/records/faces/{shard}.json",
    output:
        record=PROCESSED + "/records/openface/{shard}.json",
    log:
        PROCESSED + "/logs/openface/{shard}.log",
    threads: job_threads("openface", 4)
    resources:
        # each of the job's containers is held to openface.memory_mb
        mem_mb=lambda wildcards, threads: 1000 + threads * CONFIG.openface.memory_mb,
    params:
        settings=settings_digest("openface"),
    script:
        "scripts/stage.py"


rule vision:
    input:
        shards=shard_files("vision"),
        settings=settings_of("vision"),
        openface=PROCESSED + "/records/openface/{shard}.json",
    output:
        record=PROCESSED + "/records/vision/{shard}.json",
    log:
        PROCESSED + "/logs/vision/{shard}.log",
    threads: job_threads("vision", 2)
    resources:
        mem_mb=2000,
    params:
        settings=settings_digest("vision"),
    script:
        "scripts/stage.py"
