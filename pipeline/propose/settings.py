"""Settings of `chsims-build propose`."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from pipeline.settings import Device, Settings


class ProposeSettings(Settings):
    """Which parts of a film become clips (paper, section 3.1), and how they are cut."""

    shortest: float = Field(1.0, gt=0, le=60)
    """Shortest clip, in seconds."""
    longest: float = Field(10.0, gt=0, le=60)
    """Longest clip, in seconds. Longer speech is split at its longest pauses."""
    pause: float = Field(0.4, ge=0.1, le=5)
    """A pause of at least this many seconds ends an utterance."""
    join: float = Field(1.0, ge=0, le=10)
    """An utterance shorter than shortest is joined with a neighbour of the same shot if the pause
    between them is at most this long, in seconds."""
    pad: float = Field(0.15, ge=0, le=2)
    """Seconds kept before and after the speech, at most half of the pause there."""
    speech_threshold: float = Field(0.5, ge=0.1, le=0.95)
    """Probability from which Silero VAD's answer counts as speech."""
    speech_share: float = Field(0.5, ge=0, le=1)
    """Smallest share of a clip's length that is speech."""
    shot_threshold: float = Field(3.0, gt=1, le=50)
    """How many times as much as around it a picture must change to begin a shot (PySceneDetect's
    AdaptiveDetector). Lower values find more shots."""
    shot_change: float = Field(15.0, ge=0, le=255)
    """Smallest change of a picture (0 to 255) that can begin a shot."""
    speech_over_shots: Literal["take", "leave"] = "take"
    """take: speech that goes on over a shot's boundary is cut there, in the middle of a sentence;
    leave: such segments are left."""
    face_rate: float = Field(4.0, ge=1, le=30)
    """Pictures per second that are searched for faces."""
    face_probability: float = Field(0.9, ge=0, le=1)
    """Detections below this probability do not count as faces."""
    min_face: float = Field(64.0, ge=16, le=4096)
    """Smallest face of a speaker: median of the box's longer side, in pixels of the film."""
    background: float = Field(0.25, ge=0, le=1)
    """Faces smaller than this share of the speaker's face do not count."""
    one_face_share: float = Field(0.9, ge=0, le=1)
    """Smallest share of a clip's searched pictures that show the speaker's face and no other."""
    subtitles: Literal["auto", "off"] = "auto"
    """auto: transcripts come from subtitle files next to the film (FILM.srt, FILM.zh.ass ...), or
    else from text subtitles inside it; off: no subtitles are read."""
    language: str = Field("zh", pattern="^[a-z]{2,3}$")
    """Language of the transcripts, as its ISO 639 code: which of several subtitles is taken."""
    subtitle_share: float = Field(0.5, gt=0, le=1)
    """Share of a subtitle's time that must lie in a clip for its text to belong to the clip."""
    crf: int = Field(16, ge=0, le=35)
    """Quality of the H.264 pictures (CRF; lower is better and larger)."""

    @model_validator(mode="after")
    def _some_length_is_allowed(self) -> Self:
        if self.shortest > self.longest:
            raise ValueError(
                f"shortest {self.shortest:g} is above longest {self.longest:g} (seconds)"
            )
        return self


class AsrSettings(Settings):
    """The speech recogniser that writes transcripts of clips without subtitles."""

    model: str | None = Field(None, min_length=1)
    """Folder of a Hugging Face speech-to-text model (Whisper, wav2vec 2.0 with CTC ...), or its
    name on the hub. null: such transcripts stay empty, to be typed."""
    revision: str | None = Field(None, min_length=1)
    """Commit, tag or branch of a model on the hub."""
    language: str | None = Field("zh", pattern="^[a-z]{2,3}$")
    """Language that a multilingual model (Whisper) is told to write; null lets it guess."""
    device: Device = "auto"
    """Where the model runs; auto uses CUDA if it is available."""
