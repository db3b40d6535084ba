"""speech: a clip's sound through a speech encoder, one vector per step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import BuildError, ClipError
from pipeline.extractor import Extractor
from pipeline.media.clip_sound import Sound, level_db, mono_at
from pipeline.speech.encoder import Wave, load_speech_encoder
from pipeline.speech.settings import SpeechSettings
from pipeline.speech.source import FILES
from pipeline.store.features import Features

Piece = tuple[int, int]
"""A clip's number in its batch, and the first sample of a window in it."""


class SpeechExtractor(Extractor):
    """Vectors of the chosen layers of a speech encoder.

    Parameters
    ----------
    settings : SpeechSettings
        Which model and which of its layers; where it runs.

    Raises
    ------
    BuildError
        If the model is not available, is no speech encoder or not what it says, or
        ``speech.device`` names a GPU that is not here.

    Examples
    --------
    >>> import chsims
    >>> features = {"text": "none", "audio": "speech", "vision": "none"}
    >>> settings = {"features": features, "speech": {"model": "models/hubert", "layers": "9-12"}}
    >>> clip = chsims.extract("clip.mp4", config=settings)  # doctest: +SKIP
    """

    version: ClassVar[int] = 1
    packages: ClassVar[tuple[str, ...]] = ("transformers", "torch", "soxr")
    preload: ClassVar[tuple[str, ...]] = ("transformers.modeling_utils",)

    def __init__(self, settings: SpeechSettings) -> None:
        self.settings = settings
        self.encoder = load_speech_encoder(settings)
        self.label = FILES.label(settings)

    def extract(self, inputs: Sound) -> Features:
        """Map one clip's sound to its vectors.

        Parameters
        ----------
        inputs : Sound
            The clip's sound.

        Returns
        -------
        Features
            As `extract_batch` gives for each clip.

        Raises
        ------
        ClipError
            If it is shorter than the receptive field of one step, or its vectors hold values
            that are not finite numbers.
        """
        result = self.extract_batch([inputs])[0]
        if isinstance(result, Exception):
            raise result
        return result

    def extract_batch(self, batch: Sequence[Sound]) -> list[Features | Exception]:
        """Map several clips, those of similar length together.

        Parameters
        ----------
        batch : sequence of Sound
            Any number of channels (averaged) at any rate (resampled to the model's).

        Returns
        -------
        list of Features
            ``speech [steps, width]`` float32, without unit; no steps for a clip without sound.
            Step j begins at j / rate seconds on the clip's clock. ``info`` holds the steps
            (``frames``), the ``rate``, ``seconds`` of sound, ``loudness_db``, ``errors``
            and the ``model``.

        Notes
        -----
        A clip fails (`ClipError`) if it is shorter than the receptive field of one step.
        """
        waves: dict[int, Wave] = {}
        results: dict[int, Features | Exception] = {}
        for number, sound in enumerate(batch):
            if sound.samples is None:
                nothing = np.zeros((0, self.encoder.width), np.float32)
                results[number] = self._features(sound, nothing, None)
                continue
            wave = mono_at(sound.samples, sound.rate, self.encoder.rate_hz)
            if len(wave) < self.encoder.shortest:
                results[number] = self._too_short(len(wave))
            else:
                waves[number] = wave
        for number, vectors in self._encoded(waves).items():
            results[number] = (
                vectors
                if isinstance(vectors, Exception)
                else self._features(batch[number], vectors, waves[number])
            )
        return [results[number] for number in range(len(batch))]

    def _encoded(self, waves: dict[int, Wave]) -> dict[int, NDArray[np.float32] | Exception]:
        """Send the sounds through the model; windows of one clip are joined again."""
        parts: dict[int, dict[int, NDArray[np.float32]]] = {number: {} for number in waves}
        failed: dict[int, Exception] = {}
        for pieces in self._batches(waves):
            try:
                encoded = self.encoder.encode([self._cut(waves, piece) for piece in pieces])
            except BuildError:
                raise
            except Exception as error:
                if len(pieces) > 1:  # nobody knows whose error it is
                    raise
                failed[pieces[0][0]] = error
                continue
            for (number, start), vectors in zip(pieces, encoded, strict=True):
                parts[number][start] = vectors
        joined: dict[int, NDArray[np.float32] | Exception] = {
            number: np.concatenate([own[start] for start in sorted(own)])
            for number, own in parts.items()
            if number not in failed
        }
        return joined | failed

    def _batches(self, waves: dict[int, Wave]) -> Iterator[list[Piece]]:
        """Yield pieces of sound, longest first, as many as fill ``batch_seconds``.

        Where the model cannot take padding, those of a batch have the same length.
        """
        window = self.encoder.window
        pieces = [
            (number, start)
            for number, wave in waves.items()
            for start in range(0, len(wave), window or len(wave))
        ]
        lengths = {piece: len(self._cut(waves, piece)) for piece in pieces}
        limit = self.settings.batch_seconds * self.encoder.rate_hz
        batch: list[Piece] = []
        for piece in sorted(pieces, key=lambda piece: (-lengths[piece], piece)):
            longest = window or (lengths[batch[0]] if batch else 0)
            other = not (self.encoder.pads or window) and lengths[piece] != longest
            if batch and (other or (len(batch) + 1) * longest > limit):
                yield batch
                batch = []
            batch.append(piece)
        if batch:
            yield batch

    def _cut(self, waves: dict[int, Wave], piece: Piece) -> Wave:
        number, start = piece
        window = self.encoder.window
        return waves[number][start : start + window if window else None]

    def _features(
        self, sound: Sound, vectors: NDArray[np.float32], wave: Wave | None
    ) -> Features | Exception:
        if not np.isfinite(vectors).all():
            return ClipError(
                f"the {self.encoder.encoder.name} gives values that are not finite numbers for it",
                "listen to the clip; leave it out or choose another speech.model",
            )
        info = {
            "frames": len(vectors),
            "rate": self.encoder.rate,
            "seconds": 0.0 if wave is None else round(len(wave) / self.encoder.rate_hz, 6),
            "loudness_db": None if wave is None else level_db(wave),
            "errors": sound.errors,
            "model": self.label,
        }
        return Features(arrays={"speech": vectors}, info=info)

    def _too_short(self, samples: int) -> ClipError:
        encoder = self.encoder
        return ClipError(
            f"its sound has {samples} samples at {encoder.rate_hz:,} Hz; a step of the "
            f"{encoder.encoder.name} needs {encoder.shortest} (its receptive field)",
            "replace the file or leave the clip out",
        )
