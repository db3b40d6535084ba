"""adopt: a feature file that others made becomes a dataset to train and report on."""
