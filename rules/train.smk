# One job per model and experiment; its seeds run in parallel on the job's threads.
from pipeline.corpus import PAPER_TABLE1
from pipeline.train.experiments import (
    job_memory,
    job_minutes,
    results_of,
    trained_experiments,
)

# without a label there is nothing to learn; the dataset's warnings say so
TRAINED = trained_experiments(CONFIG.train) if START.labelled else {}
RESULTS = [
    FILES.made_results(name) for name in results_of(CONFIG.train) if START.labelled
]


# an adopted file may have any number
CLIPS = len(START.shards) * CONFIG.shard_size or PAPER_TABLE1.clips


def train_minutes(wildcards, threads, attempt):
    """Time limit of a training, in minutes, for clusters."""
    job = (wildcards.experiment, wildcards.model)
    return job_minutes(CONFIG.train, *job, CLIPS, threads, attempt)


def trained(experiment):
    return [FILES.trained(experiment, model) for model in TRAINED[experiment]]


def trained_for_results(wildcards):
    name = "table2" if wildcards.experiment == "figure4" else wildcards.experiment
    return trained(name) if name in TRAINED else []


rule train:
    input:
        dataset=FILES.made("dataset"),
        settings=settings_of("train", FILES.trained("{experiment}", "{model}")),
    output:
        str(FILES.trained("{experiment}", "{model}")),
    log:
        str(FILES.logs / "train" / "{experiment}_{model}.log"),
    benchmark:
        str(FILES.logs / "train" / "{experiment}_{model}.tsv")
    threads: len(CONFIG.train.seeds)
    resources:
        mem_mb=lambda wildcards, threads, attempt: job_memory(wildcards.model, threads)
        * attempt,
        runtime=train_minutes,
        gpu=gpus_asked(CONFIG.train),
    params:
        settings=settings_digest("train"),
    script:
        "scripts/train.py"


rule results:
    input:
        dataset=FILES.made("dataset"),
        trained=trained_for_results,
        settings=settings_of("train", FILES.made_results("{experiment}")),
    output:
        str(FILES.made_results("{experiment}")),
    log:
        str(FILES.logs / "results" / "{experiment}.log"),
    benchmark:
        str(FILES.logs / "results" / "{experiment}.tsv")
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        gpu=gpus_asked(CONFIG.train),  # figure4 computes representations
    params:
        settings=settings_digest("train"),
    script:
        "scripts/results.py"
