"""annotations.csv: one line per vote, averaged into labels and checked for completeness."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from pipeline.corpus import LABELS
from pipeline.manifest.folders import MediaFolders
from pipeline.manifest.numbers import not_a_number, number
from pipeline.manifest.table import Record, Table

_LABELS = {
    spelling: label
    for label, spellings in {
        "M": ("m", "label", "label_m", "multimodal", "all"),
        "T": ("t", "label_t", "text"),
        "A": ("a", "label_a", "audio"),
        "V": ("v", "label_v", "video", "vision", "visual"),
    }.items()
    for spelling in spellings
}


@dataclass(frozen=True)
class Vote:
    """One annotator's vote on one label of one clip: -1, 0 or 1.

    The label is M, T, A or V; its column keeps the name that it has in ``annotations.csv``.
    """

    clip: str
    modality: str
    annotator: str
    vote: float


@dataclass
class ClipVotes:
    """The votes on one clip."""

    line: int
    video_id: str
    clip_id: str
    by_label: dict[str, dict[str, float]] = field(default_factory=dict)
    unusable: list[str] = field(default_factory=list)
    """Lines that cannot be read as a vote."""
    doubtful: list[str] = field(default_factory=list)
    """What the rule `votes` reports."""

    def mean(self, label: str) -> float | None:
        """Return a label: the mean of the votes on it, or None without votes."""
        votes = self.by_label.get(label, {})
        return sum(votes.values()) / len(votes) if votes else None


def identity(record: Record) -> tuple[str, str]:
    """Return a line's video and clip id, from two columns or one ``clip`` column."""
    clip = record["clip"].replace("$_$", "/")  # as in the pickles of other projects
    if record["clip_id"] or not clip:
        return record["video_id"], record["clip_id"]
    if "/" not in clip:
        return record["video_id"], clip
    video_id, _, clip_id = clip.partition("/")
    return video_id, clip_id


def read_votes(table: Table, folders: MediaFolders) -> dict[str, ClipVotes]:
    """Gather a sheet's votes by clip, in the order in which clips first appear.

    An annotator's second vote on the same clip and label does not count; it is named
    among the clip's doubts when it differs from the first.
    """
    clips: dict[str, ClipVotes] = {}
    for record in table.records:
        video_id, clip_id, problem = folders.full_ids(*identity(record))
        clip = clips.setdefault(f"{video_id}/{clip_id}", ClipVotes(record.line, video_id, clip_id))
        problem = problem or _count(record, clip)
        if problem is not None:
            clip.unusable.append(f"{table.path.name}, line {record.line}: {problem}")
    _check_panels(clips)
    return clips


def flat(clips: dict[str, ClipVotes]) -> list[Vote]:
    """List the votes that count, clips in order, then by label."""
    return [
        Vote(name, label, annotator, vote)
        for name, clip in clips.items()
        for label in LABELS
        for annotator, vote in clip.by_label.get(label, {}).items()
    ]


def _count(record: Record, clip: ClipVotes) -> str | None:
    """Add one line's vote to its clip, or say why it cannot be one."""
    label = _LABELS.get(record["modality"].casefold())
    if label is None:
        return f"modality {record['modality']!r} is none of M, T, A, V"
    if not record["annotator"]:
        return "the annotator is missing"
    vote = number(record["vote"])
    if vote is None:
        return f"the vote {not_a_number(record['vote'])}"
    if vote not in (-1.0, 0.0, 1.0):
        return f"the vote {record['vote']} is not -1, 0 or 1"
    votes = clip.by_label.setdefault(label, {})
    first = votes.setdefault(record["annotator"], vote)
    if first != vote:
        clip.doubtful.append(
            f"{record['annotator']} voted {first:g} and then {vote:g} on {label}; the first counts"
        )
    return None


def _check_panels(clips: dict[str, ClipVotes]) -> None:
    """Compare each clip's annotators with the panel that voted most often."""
    panels = Counter(
        frozenset(votes) for clip in clips.values() for votes in clip.by_label.values()
    )
    if not panels:
        return
    panel = min(panels, key=lambda p: (-panels[p], -len(p), sorted(p)))
    voted_on = [m for m in LABELS if any(m in clip.by_label for clip in clips.values())]
    for clip in clips.values():
        for label in voted_on:
            voters = clip.by_label.get(label, {}).keys()
            if missing := sorted(panel - voters):
                clip.doubtful.append(f"no vote on {label} by {', '.join(missing)}")
            if extra := sorted(voters - panel):
                clip.doubtful.append(f"a vote on {label} by {', '.join(extra)}, not of the panel")
