# One job a model and experiment: its seeds run side by side within the job's threads.
from pipeline.train.experiments import job_memory, results_of, trained_experiments

TRAINED = trained_experiments(CONFIG.train)
RESULTS = [
    f"{PROCESSED}/results/{name}.{kind}"
    for name in results_of(CONFIG.train)
    for kind in ("json", "csv")
]


def trained(experiment):
    return [
        f"{PROCESSED}/experiments/{experiment}/{model}.json"
        for model in TRAINED[experiment]
    ]


def trained_for_results(wildcards):
    name = "table2" if wildcards.experiment == "figure4" else wildcards.experiment
    return trained(name) if name in TRAINED else []


rule train:
    input:
        dataset=PROCESSED + "/dataset.h5",
        settings=settings_of("train"),
    output:
        PROCESSED + "/experiments/{experiment}/{model}.json",
    log:
        PROCESSED + "/logs/train/{experiment}_{model}.log",
    benchmark:
        PROCESSED + "/logs/train/{experiment}_{model}.tsv"
    threads: len(CONFIG.train.seeds)
    resources:
        mem_mb=lambda wildcards, threads: job_memory(wildcards.model, threads),
    params:
        settings=settings_digest("train"),
    script:
        "scripts/train.py"


rule results:
    input:
        dataset=PROCESSED + "/dataset.h5",
        trained=trained_for_results,
        settings=settings_of("train"),
    output:
        PROCESSED + "/results/{experiment}.json",
        PROCESSED + "/results/{experiment}.csv",
    log:
        PROCESSED + "/logs/results/{experiment}.log",
    benchmark:
        PROCESSED + "/logs/results/{experiment}.tsv"
    resources:
        mem_mb=2000,
    params:
        settings=settings_digest("train"),
    script:
        "scripts/results.py"
