"""train: the single- and multi-task models, one trainer, one metrics file an experiment."""
