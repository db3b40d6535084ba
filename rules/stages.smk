# One rule per per-clip stage, from frames to features, including those of other packages.


for stage in STAGES.values():

    rule:
        name:
            stage.name
        input:
            unpack(inputs_of(stage.name)),
        output:
            record=record_of(stage),
        log:
            str(FILES.logs / stage.name / "{shard}.log"),
        priority: stage.priority
        threads: job_threads(stage)
        resources:
            mem_mb=job_memory_of(stage),
            runtime=job_minutes_of(stage),
            gpu=gpus_asked(stage.settings(CONFIG)),
        params:
            settings=settings_digest(stage.name),
        script:
            "scripts/stage.py"
