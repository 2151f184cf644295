"""The issue list: what is wrong or odd, how sure, on what evidence, what to do about it, and who decided.

An issue's id is the digest of its kind, its samples and its column: the same trouble has the same id in every run, so a
person's decision about it holds until the data changes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from modelwright import canonical

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Decision = Literal["drop", "fix", "keep", "review"]

DECISIONS: tuple[Decision, ...] = ("drop", "fix", "keep", "review")

UNUSABLE = frozenset(
    {
        "corrupt",
        "wrong-format",
        "empty",
        "too-large",
        "unreadable",
        "not-a-file",
        "symlink",
        "ragged-row",
        "nul-bytes",
        "missing-label",
        "bad-label",
        "encrypted",
        "unsafe-name",
        "duplicate-name",
        "nested-archive",
        "missing-file",
        "missing-mask",
        "wrong-type",
    }
)
"""Kinds that leave nothing to learn from: dropped whatever anybody decides."""

FAMILIES: Mapping[str, frozenset[str]] = {
    "corrupt": UNUSABLE,
    "mislabelled": frozenset({"mislabelled", "conflicting-labels"}),
}
"""A rule in the spec's ``clean`` that stands for several kinds; any other rule is the kind itself."""


@dataclass(frozen=True)
class Advice:
    """What to do about one kind of issue."""

    suggestion: Decision
    """What usually is right."""
    default: Decision
    """What is done when neither a person nor a rule says anything."""
    why: str


ADVICE: Mapping[str, Advice] = {
    "duplicate": Advice("drop", "keep", "the same bytes twice teach nothing new; kept copies stay in one split"),
    "duplicate-rows": Advice("keep", "keep", "equal rows may be real; they stay in one split"),
    "near-duplicate": Advice(
        "keep", "keep", "kept, in the same split as its like, so that no test sample was seen in training"
    ),
    "conflicting-labels": Advice(
        "drop", "drop", "nobody can learn from one picture with two labels; label it, and it comes back"
    ),
    "mislabelled": Advice(
        "review",
        "review",
        "models that never saw its label say otherwise; look at it: fix takes the suggested label, keep the given one",
    ),
    "conflicting-rows": Advice(
        "keep", "keep", "equal inputs with different answers are the noise of the problem itself"
    ),
    "missing-value": Advice("fix", "fix", "filled in by the packaged graph, in training and in production alike"),
    "type-mix": Advice("fix", "fix", "cells that are no numbers are taken as missing"),
    "mixed-encoding": Advice("fix", "fix", "lines that are not UTF-8 are read as Windows-1252"),
    "literal-quotes": Advice("fix", "fix", "no row is lost, and the marks stay in the text"),
    "broken-encoding": Advice(
        "review", "keep", "somebody read these bytes in the wrong encoding, here or before; the words are damaged"
    ),
    "control-characters": Advice("keep", "keep", "they are left out when the text is read, here and in production"),
    "boilerplate": Advice(
        "review", "keep", "what stands on many texts says nothing about each, or it gives the answer away"
    ),
    "markup": Advice("review", "keep", "what a page's source leaves in a text is learned as if it were words"),
    "wrong-language": Advice("review", "keep", "a model learns next to nothing about a language it hardly sees"),
    "no-words": Advice("review", "keep", "nothing is left to learn from but its length"),
    "too-long": Advice("keep", "keep", "the beginning is read, here and in production"),
    "repetitive": Advice("review", "keep", "the same again and again is often a mistake of whatever wrote it"),
    "duplicate-header": Advice("fix", "fix", "the later columns get a number after their name"),
    "unlisted-file": Advice("review", "keep", "a file that no line of the manifest names is not used"),
    "case-twins": Advice("review", "keep", "on other systems one of them would overwrite the other"),
    "short-header": Advice("fix", "fix", "the first column, which has no name, is taken as an index and left out"),
    "hidden-missing": Advice(
        "review",
        "keep",
        "a code that stands for 'missing' is learned as if it were a value; the source's 'missing:' can name it",
    ),
    "duplicate-share": Advice("review", "keep", "copies stay in one split; they weigh more than other rows"),
    "rare-category": Advice("keep", "keep", "a model learns next to nothing about a value that hardly ever occurs"),
    "constant-column": Advice("drop", "drop", "a column with one value tells nothing"),
    "identifier-column": Advice("drop", "drop", "a column that is different in every row can only be learned by heart"),
    "leaking-column": Advice(
        "drop",
        "review",
        "a column that gives the answer away is often not known in production; kept until somebody decides",
    ),
    "leaking-time": Advice(
        "drop",
        "review",
        "samples that were taken class by class: a model that learns the time of it knows nothing tomorrow",
    ),
    "truncated": Advice("review", "keep", "what is there is used; the rest is missing"),
    "camera-lost": Advice("keep", "keep", "what came before is used; another 'take' records anew"),
    "not-a-video": Advice("keep", "keep", "other files beside recordings are passed over"),
    "too-many-frames": Advice(
        "keep", "keep", "the first frames are used; 'every' or 'most' of the source takes others"
    ),
    "blurry": Advice("review", "keep", "out of focus or moved: kept if production sends such pictures too"),
    "dark": Advice("review", "keep", "hardly anything can be seen; kept if production sends such pictures too"),
    "overexposed": Advice("review", "keep", "burnt out to white; kept if production sends such pictures too"),
    "low-information": Advice("review", "keep", "next to nothing is on it"),
    "clipped": Advice("review", "keep", "recorded too loud: what was cut off is lost"),
    "noisy": Advice("review", "keep", "kept if production is as noisy"),
    "silent": Advice("review", "keep", "nothing can be heard; drop it unless silence is a class"),
    "mixed-rates": Advice("keep", "keep", "brought to one rate when they are read"),
    "mixed-channels": Advice("keep", "keep", "brought to one channel when they are read"),
    "outlier": Advice("review", "keep", "unlike all others: a stray file, or a rare case worth more of its kind"),
    "name-disagrees": Advice("review", "keep", "names usually say the class here, and this one says another"),
    "leaking-name": Advice(
        "review", "keep", "samples of one recording or object in two splits make a model look better than it is"
    ),
    "leaking-form": Advice(
        "review", "keep", "production sends one size or rate for all classes; what was told by it is told no more"
    ),
    "leaking-border": Advice(
        "review", "review", "production has no frame or mark by class: crop the border away, or photograph all alike"
    ),
    "odd-colour": Advice(
        "review", "keep", "another camera, a scanner or a stray file: does production send such ones?"
    ),
    "odd-size": Advice("review", "keep", "a size of its own often has a source of its own: a thumbnail, a screenshot"),
    "odd-aspect": Advice("review", "keep", "a model's input has one shape: such a picture is squeezed into it"),
    "turned": Advice("keep", "keep", "it is turned upright here and in production; other programs may not do so"),
    "confounded-group": Advice("review", "keep", "only data in which groups hold several classes can tell them apart"),
    "label-variants": Advice("fix", "review", "labels that differ only in spelling are probably the same"),
    "rare-class": Advice("keep", "keep", "kept for training only: it can be neither validated nor tested"),
    "imbalance": Advice("review", "review", "class weights, or more samples of the rare classes, would help"),
    "capped-target": Advice(
        "review", "review", "a model learns the limit as if it were the answer; kept until decided"
    ),
    "correlated-columns": Advice(
        "review", "keep", "two columns say the same: one can go, and linear models and importances become clearer"
    ),
    "dates-out-of-order": Advice("review", "keep", "an end before its beginning is an error of whoever wrote it down"),
    "future-date": Advice("review", "keep", "a date that lies ahead is a plan, a code, or an error"),
    "impossible-date": Advice("review", "keep", "a date that no calendar has is learned as missing"),
    "mixed-units": Advice(
        "review", "keep", "values in two units are learned as one quantity: bring them into one at the source"
    ),
    "odd-value": Advice("review", "keep", "a value far from all others is an error, or the most interesting row"),
    "odd-row": Advice("review", "keep", "no value alone is far off, but together they are unlike any other row"),
    "incomplete": Advice("review", "keep", "a row that is mostly missing teaches little but what was filled in"),
    "leaking-order": Advice(
        "review",
        "review",
        "a model cannot know the row's number in production; if it hides in a column, figures are too good",
    ),
    "leaking-identifier": Advice(
        "drop", "drop", "a number that was handed out after the answer was known tells it; production has none yet"
    ),
    "under-represented": Advice(
        "review", "keep", "a model is least sure, and often most wrong, about a group that it hardly saw"
    ),
    "leaking-split": Advice("review", "review", "what is tied to a training sample is no test of it"),
    "gap": Advice("review", "keep", "what happened between is unknown; windows are not cut across it"),
    "backward-time": Advice(
        "review", "keep", "a clock was set back, or parts were swapped: lags and steps are wrong there"
    ),
    "repeated-time": Advice("review", "keep", "two rows of one moment: a clock set back, or a row written twice"),
    "irregular-step": Advice("keep", "keep", "lags count rows, not seconds: resample where the steps' lengths matter"),
    "bad-time": Advice("review", "keep", "rows without a time keep their place in the order"),
    "stuck-sensor": Advice("review", "keep", "a sensor that repeats one value has usually failed, and teaches that"),
    "constant-channel": Advice("keep", "keep", "a channel that never moves tells nothing here"),
    "odd-length": Advice("review", "keep", "a recording far longer or shorter than the others is often cut, or joined"),
    "odd-rate": Advice("review", "keep", "lags and spectra count rows: at another rate they mean something else"),
    "short-series": Advice("keep", "keep", "too short for one window, so nothing of it is used"),
    "split-sequence": Advice("review", "keep", "its parts are two samples, and in one group"),
    "missing-time": Advice("drop", "drop", "a sample without a time may be later than the test"),
    "bad-annotation": Advice("drop", "drop", "that annotation is left out; its picture stays, with the others"),
    "dangling-annotation": Advice("drop", "drop", "it belongs to nothing that is there, and is left out"),
    "missing-annotation": Advice("review", "keep", "by this format's custom, no annotation means nothing to be seen"),
    "wrong-size-annotation": Advice(
        "review", "review", "boxes drawn on a picture of another size lie in the wrong places on this one"
    ),
    "inverted-box": Advice("fix", "fix", "its corners are put in order"),
    "zero-area-box": Advice("fix", "fix", "a box without area, mostly a slip of the mouse, is left out"),
    "outside-box": Advice("fix", "fix", "boxes are clipped to the picture; what lies outside of it is left out"),
    "duplicate-box": Advice("fix", "fix", "one of two equal boxes on one thing is left out"),
    "conflicting-boxes": Advice("review", "review", "one thing has two classes: look at it; fix leaves both out"),
    "overlooked-box": Advice(
        "review", "keep", "what has no box teaches a detector that such a thing is nothing: fix draws one"
    ),
    "misplaced-box": Advice("review", "keep", "a box beside its thing teaches the wrong place: fix moves it"),
    "tiny-box": Advice("review", "keep", "a few pixels tell nothing; fix leaves them out"),
    "no-boxes": Advice("review", "keep", "an empty scene teaches what is nothing; one that nobody labelled misleads"),
    "wrong-size-mask": Advice("fix", "fix", "the mask is brought to the picture's size, each pixel to the nearest"),
    "soft-mask": Advice("fix", "fix", "values between two classes go to the nearer one"),
    "unknown-mask-value": Advice("fix", "fix", "pixels whose value stands for no class are ignored"),
    "empty-mask": Advice("review", "keep", "right where there is nothing to be seen; else somebody forgot to draw"),
    "tiny-mask": Advice("review", "keep", "a few pixels are a slip of the hand, or of a conversion"),
    "duplicate-mask": Advice("review", "keep", "one of the two pictures got the mask of the other"),
    "small-split": Advice("review", "review", "figures on so few samples have wide intervals"),
    "split-conflict": Advice("drop", "drop", "it would carry a locked test sample's likeness into training"),
}

_UNUSABLE_ADVICE = Advice("drop", "drop", "it cannot be used")
_REMARK = Advice("review", "keep", "a remark: look at it")


@dataclass(frozen=True)
class Issue:
    """One thing wrong or odd.

    Parameters
    ----------
    kind
        A word of :data:`ADVICE`, or of the modality's checks.
    severity
        0 (a remark) to 1 (cannot be used).
    message
        What was found, in words.
    place
        Index of the sample's row in the dataset, or -1 for what is about no sample.
    sample
        The sample's digest, or None.
    path
        ``<source index>/<name in the source>``, or empty.
    column
        The column, or None.
    evidence
        JSON-ready figures and names behind it.
    places
        Of an issue that stands for many samples: all their places. What is decided about it holds for each.
    """

    kind: str
    severity: float
    message: str
    place: int = -1
    sample: str | None = None
    path: str = ""
    column: str | None = None
    evidence: Mapping[str, Any] = field(default_factory=dict)
    places: Sequence[int] | NDArray[np.int64] = field(default=(), compare=False, repr=False)

    @property
    def id(self) -> str:
        """16 hexadecimal characters that stay the same while the trouble does."""
        return canonical.digest_value([self.kind, self.sample, self.path, self.column])[:16]

    @property
    def advice(self) -> Advice:
        """What to do about its kind."""
        if self.kind in UNUSABLE:
            return _UNUSABLE_ADVICE
        return ADVICE.get(self.kind, _REMARK)


@dataclass(frozen=True)
class Decided:
    """An issue and what was decided about it."""

    issue: Issue
    decision: Decision
    by: str
    """``person:<name>``, ``rule:<clean key>.<rule>`` or ``default``."""


@dataclass(frozen=True)
class Rules:
    """The spec's ``clean``, as words."""

    drop: Sequence[str] = ()
    review: Sequence[str] = ()
    fix: Sequence[str] = ()
    keep: Sequence[str] = ()

    @classmethod
    def of(cls, clean: Any) -> Rules:
        """Return the rules of a :class:`modelwright.spec.Clean`."""
        return cls(tuple(clean.drop), tuple(clean.review), tuple(clean.fix), tuple(clean.keep))


def decide(issue: Issue, rules: Rules, people: Mapping[str, tuple[str, str]]) -> Decided:
    """Return the decision about ``issue``: a person's before a rule's before the default.

    Parameters
    ----------
    people
        Issue id to ``(decision, name)``.

    Examples
    --------
    >>> dark = Issue("dark", 0.5, "dark", sample="ab")
    >>> decide(dark, Rules(drop=["dark"]), {}).by
    'rule:drop.dark'
    >>> decide(dark, Rules(drop=["dark"]), {dark.id: ("keep", "ann")}).decision
    'keep'
    """
    if issue.kind in UNUSABLE:
        rule = next((word for word in rules.drop if _means(word, issue.kind)), None)
        return Decided(issue, "drop", f"rule:drop.{rule}" if rule else "default")
    person = people.get(issue.id)
    if person is not None:
        decision = next((word for word in DECISIONS if word == person[0]), issue.advice.default)
        return Decided(issue, decision, f"person:{person[1]}")
    lists: tuple[tuple[Decision, Sequence[str]], ...] = (
        ("drop", rules.drop),
        ("fix", rules.fix),
        ("keep", rules.keep),
        ("review", rules.review),
    )
    for decision, words in lists:
        for word in words:
            if _means(word, issue.kind):
                return Decided(issue, decision, f"rule:{decision}.{word}")
    return Decided(issue, issue.advice.default, "default")


def _means(rule: str, kind: str) -> bool:
    return rule == kind or kind in FAMILIES.get(rule, ())


def fixes_of(store: Any) -> dict[str, Any]:
    """Return the labels that people's ``fix`` decisions took over: issue id to label."""
    current = store.decisions.current()
    return {issue: each.value for issue, each in current.items() if each.decision == "fix" and each.value is not None}


def people_of(store: Any) -> dict[str, tuple[str, str]]:
    """Return the people's decisions in a store: issue id to ``(decision, name)``."""
    return {issue: (each.decision, each.by) for issue, each in store.decisions.current().items()}
