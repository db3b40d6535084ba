"""Settings of the manifest and the corpus rules."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from pipeline.settings import Settings, added_later

Action = Literal["quarantine", "warn", "off"]


class CorpusRules(Settings):
    """What a clip must satisfy to enter the dataset (paper, section 3.1); rules can be relaxed."""

    duration: Action = "warn"
    """A clip shorter than min_seconds or longer than max_seconds."""
    min_seconds: float = Field(1.0, ge=0)
    """Shortest clip, in seconds."""
    max_seconds: float = Field(10.0, gt=0)
    """Longest clip, in seconds."""
    label_grid: Action = "warn"
    """A label that is not a mean of five votes in {-1, 0, 1}: off the grid -1.0, -0.8 ... 1.0."""
    streams: Action = "quarantine"
    """A file without a video or without an audio stream. With warn or off such a clip stays: its
    audio feature has no steps, or none of its frames has a face (see no_face)."""
    streams_apart: Action = "warn"
    """Picture and sound that begin, or end, more than streams_apart_seconds apart."""
    streams_apart_seconds: float = Field(0.2, ge=0)
    """Seconds above which streams_apart applies."""
    audio_tracks: Action = "warn"
    """A file with several audio tracks; media.audio_track says which one is taken."""
    transcript: Action = "quarantine"
    """An empty transcript."""
    no_face: Action = "quarantine"
    """A clip in which no face was found in any frame."""
    second_face: Action = "warn"
    """A face other than the speaker's in more than second_face_share of the frames."""
    second_face_share: float = Field(0.25, ge=0, le=1)
    """Share of frames with a second face above which second_face applies."""
    damaged: Action = "warn"
    """A file that ffmpeg could not decode completely: the rest is concealed, repeated or silent."""
    votes: Action = "warn"
    """Not every clip and modality was rated by the same annotators."""

    @model_validator(mode="after")
    def _some_length_is_allowed(self) -> Self:
        if self.min_seconds > self.max_seconds:
            raise ValueError(
                f"min_seconds {self.min_seconds:g} is above max_seconds {self.max_seconds:g}"
            )
        return self


class ManifestSettings(Settings):
    """How the label sheet is read and the media are found."""

    sheet: str | None = None
    """Label sheet, relative to raw. By default, label.csv is used, or else meta.csv,
    annotations.csv or transcripts.csv, which has no labels (or one of them as .tsv or .xlsx)."""
    encoding: Literal["auto", "utf-8", "gb18030", "big5", "utf-16", "shift_jis"] = "auto"
    """Text encoding of the sheet. auto recognises all of these except shift_jis, and refuses a
    sheet if it is uncertain."""
    label_range: tuple[float, float] | None = added_later(None)
    """Lowest and highest label of the sheet, e.g. [-3, 3] as in CMU-MOSI. Its labels are then
    scaled linearly to [-1, 1], and the rule label_grid does not apply."""
    keep_columns: tuple[str, ...] = added_later(())
    """Further columns of the label sheet to store in the manifest and the dataset."""
    rules: CorpusRules = CorpusRules()
    """The corpus rules; each is quarantine, warn or off."""

    @model_validator(mode="after")
    def _range_goes_up(self) -> Self:
        if self.label_range is not None and not self.label_range[0] < self.label_range[1]:
            low, high = self.label_range
            raise ValueError(f"label_range must go up, e.g. [-3, 3] (found [{low:g}, {high:g}])")
        return self

    @field_validator("keep_columns")
    @classmethod
    def _columns_have_names(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        odd = [name for name in names if not name.strip() or "/" in name or name.startswith(".")]
        if odd:
            raise ValueError(f"{odd[0]!r} cannot be the name of a stored column")
        if len(set(names)) < len(names):
            raise ValueError("it names a column twice")
        return names

    @property
    def applied_rules(self) -> CorpusRules:
        """The rules without those that do not apply to labels of another range."""
        if self.label_range is None:
            return self.rules
        return self.rules.model_copy(update={"label_grid": "off"})
