# CH-SIMS from raw clips: features, dataset, models and report.
#
#   snakemake --cores 8 all                                    the corpus in raw/
#   snakemake --cores 8 all --configfile config/demo.yaml     the 30 demo clips
#
# Every setting is explained in config/config.yaml; one stage alone: chsims-build --help.

from snakemake.utils import min_version

min_version("9.0")


configfile: f"{workflow.basedir}/config/config.yaml"


include: "rules/common.smk"


# features that others made are not computed here: chsims-build adopt has written the dataset
if not ADOPTED:

    include: "rules/manifest.smk"
    include: "rules/stages.smk"
    include: "rules/dataset.smk"


include: "rules/train.smk"
include: "rules/report.smk"


# every file to keep is named, because Snakemake does not notice missing intermediate files
DATASET = [
    FILES.made("manifest"),
    lasting_records(wanted(CONFIG)),
    FILES.made("dataset"),
]
TRAINING = [DATASET, [trained(experiment) for experiment in TRAINED], RESULTS]


rule all:
    default_target: True
    input:
        TRAINING,
        rules.packed.output,
        [] if ADOPTED else rules.verdict.output,


rule stage_dataset:
    input:
        DATASET,
    localrule: True


rule stage_train:
    input:
        TRAINING,
    localrule: True


rule stage_report:
    input:
        TRAINING,
        rules.packed.output,
    localrule: True
