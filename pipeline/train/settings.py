"""Settings of training."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from pipeline.settings import Device, Settings, explain, operational
from pipeline.train.hyper import Hyper, overlay
from pipeline.train.recipe import PAPER, PUBLISHED, Recipe
from pipeline.train.registry import MODELS, ModelName, hyper_for

ExperimentName = Literal["table2", "table4", "table5", "figure2", "figure4", "search"]
Number = int | float


_GRID: dict[str, tuple[Number, ...]] = {
    "learning_rate": (5e-4, 1e-3, 2e-3),
    "alpha.T": (0.2, 0.6),
    "alpha.A": (0.2, 0.6),
    "alpha.V": (0.2, 0.6),
}


class SearchSettings(Settings):
    """Grid search by valid Acc-2 (paper, section 5.2)."""

    models: tuple[ModelName, ...] = ("mlf_dnn",)
    """Models to search."""
    # empty: Snakemake would add the keys of config/config.yaml to those of a user's file
    grid: dict[str, tuple[Number, ...]] = Field({})
    """Values to try for each hyper-parameter; a dot enters a group, e.g. decay.text. Without any:
    {learning_rate: [0.0005, 0.001, 0.002], alpha.T: [0.2, 0.6], alpha.A and alpha.V likewise}."""
    seeds: tuple[int, ...] = (1,)
    """Seeds of each grid point; the mean of their valid Acc-2 decides."""

    @property
    def values(self) -> dict[str, tuple[Number, ...]]:
        """The grid to search."""
        return self.grid or _GRID


class TrainSettings(Settings):
    """Which models are trained, and how."""

    models: tuple[ModelName, ...] = ("lf_dnn", "mlf_dnn")
    """Models of Table 2 to train: ef_lstm lf_dnn mfn lmf tfn mult, and with unimodal labels
    mlf_dnn mlmf mtfn."""
    experiments: tuple[ExperimentName, ...] = ("table2", "figure2")
    """Experiments to run: table2 table4 table5 figure2 figure4 search."""
    preset: Literal["paper", "published"] = "paper"
    """paper: as the paper describes; published: as the published code computes."""
    recipe: dict[str, Any] = Field({})
    """Single changes to the preset, e.g. {pooling: padded}; docs/models.md lists them."""
    hyper: dict[ModelName, dict[str, Any]] = Field({})
    """Hyper-parameters by model, e.g. {mlf_dnn: {learning_rate: 0.001, alpha: {A: 0.2}}};
    docs/configuration.md lists them."""
    seeds: tuple[int, ...] = Field((1, 12, 123, 1234, 12345), min_length=1)
    """Seeds; results are mean and standard deviation over them (paper, section 5.2)."""
    max_epochs: int = Field(200, ge=1)
    """Upper limit of epochs."""
    patience: int = Field(8, ge=1)
    """Training stops after this many epochs without a better valid loss."""
    resamples: int = Field(1000, ge=10)
    """Number of resamples of clips for each confidence interval and paired test."""
    device: Device = operational("auto")
    """Where training runs; auto uses CUDA if it is available."""
    memory_gb: float = operational(4.0, gt=0)
    """Features beyond this size are read from a temporary file instead of kept in memory."""
    checkpoint_seconds: float = operational(10.0, ge=0)
    """Least time between two writes of a seed's state, from which a killed training resumes;
    0: after every epoch. Writing never takes more than a twentieth of the time."""
    search: SearchSettings = SearchSettings()
    """Grid search."""

    @model_validator(mode="after")
    def _overrides_are_known(self) -> Self:
        known = list(Recipe.model_fields)
        try:
            where = "recipe"
            self.resolved_recipe()
            for model in self.hyper:
                where, known = f"hyper.{model}", list(type(MODELS[model].hyper).model_fields)
                self.resolved_hyper(model)
            for model in self.search.models:
                where, known = "search.grid", list(type(MODELS[model].hyper).model_fields)
                self._try_grid(model)
        except ValidationError as error:
            raise ValueError(f"{where}.{explain(error.errors()[0], known)}") from None
        if len(set(self.seeds)) != len(self.seeds):
            raise ValueError(f"seeds must differ from each other, found {list(self.seeds)}")
        return self

    def _try_grid(self, model: ModelName) -> None:
        """Set each value of the grid, one at a time."""
        for name, values in self.search.values.items():
            for value in values:
                changes = overlay(self.hyper.get(model, {}), {name: value})
                hyper_for(model, self.preset, changes)

    def resolved_recipe(self) -> Recipe:
        """Return the preset's recipe with the single departures applied."""
        base = PAPER if self.preset == "paper" else PUBLISHED
        return Recipe.model_validate({**base.model_dump(), **self.recipe})

    def resolved_hyper(self, model: ModelName) -> Hyper:
        """Return a model's hyper-parameters under this preset and these overrides."""
        return hyper_for(model, self.preset, self.hyper.get(model))
