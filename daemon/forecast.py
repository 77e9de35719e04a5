"""What a dry run found, and what follows from it for all photos: the numbers behind its text, its JSON and the history."""

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from daemon.energy import Energy
from daemon.estimate import CONFIDENCE, Interval, Plan
from daemon.reasons import sentence
from daemon.report import change

NOTHING = Energy(0.0, "")


@dataclass(frozen=True, slots=True)
class Trial:
    """What became of one photo of the sample. `after_bytes` are archive and stand-in, or the photo itself where it was left alone."""

    lane: str
    """Empty: left alone, for this reason."""
    reason: str
    original_bytes: int
    after_bytes: int
    seconds: float
    cpu_s: float
    failed: bool = False
    """The codec gave no answer."""

    @property
    def saving_bytes(self) -> int:
        return self.original_bytes - self.after_bytes

    @property
    def words(self) -> str:
        if self.reason:
            return f"would be left alone: {sentence(self.reason)}"
        return change(self.saving_bytes / self.original_bytes)


@dataclass(frozen=True, slots=True)
class Part:
    """All photos that end in one lane, or that are left for one reason; `photos` and bytes are estimates unless all were encoded."""

    name: str
    photos: float
    original_bytes: float
    saving: Interval
    seconds: float
    cpu_s: float
    watt_hours: float


@dataclass(slots=True)
class Forecast:
    """What a run would find and do."""

    photos: int = 0
    """That would be worked on."""
    original_bytes: int = 0
    plan: Plan = field(default_factory=lambda: Plan([]))
    trials: dict[int, Trial] = field(default_factory=dict)
    start_s: float = 0.0
    """Until the codec was ready."""
    start_cpu_s: float = 0.0
    energy: Energy = NOTHING
    """Of the sample."""
    sample_cpu_s: float = 0.0
    skipped: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    """By reason, without encoding: `photos` and `bytes`."""
    archived: int = 0
    restored: int = 0
    at_hand: int = 0
    """Photos that would be put away again with the archive that they have."""
    edited: int = 0
    """Edits of stand-ins, beside which the full photo would be put."""
    due: int = 0
    """Originals that are out of grace and would be purged."""
    due_bytes: int = 0
    graces_s: set[int] = field(default_factory=set)
    """Of the galleries of the photos to work on: what they save is free only once their originals are purged."""
    conditions: set[str] = field(default_factory=set)
    """What originals wait for beside their grace (`PurgeGate.condition`)."""
    unreadable: list[tuple[str, str]] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)

    @property
    def nothing_to_do(self) -> bool:
        return not (self.photos or self.at_hand or self.edited or self.due or self.unreadable or self.gone)

    @property
    def failed(self) -> list[Trial]:
        """Of the sample. A run would try them again, so what they show is no prediction."""
        return [trial for trial in self.trials.values() if trial.failed]

    @property
    def complete(self) -> bool:
        """Whether every photo was encoded, so that nothing is estimated."""
        return len(self.trials) == self.photos

    @property
    def saving(self) -> Interval:
        if not self.trials:
            return Interval(0.0, 0.0, 0.0)
        return self.plan.total(lambda unit: self.trials[unit.id].saving_bytes, lambda unit: unit.size_bytes)

    @property
    def beside_bytes(self) -> int:
        """What archives, stand-ins and re-packed photos take beside the originals until these are purged."""
        return round(sum(part.original_bytes - part.saving.total for part in self.lanes))

    @property
    def seconds(self) -> Interval:
        return self._more(self._total(lambda trial: trial.seconds), self.start_s)

    @property
    def cpu_s(self) -> Interval:
        return self._more(self._total(lambda trial: trial.cpu_s), self.start_cpu_s)

    @property
    def watt_hours(self) -> float:
        return self.cpu_s.total * self._watt_hours_per_cpu_s

    @property
    def lanes(self) -> list[Part]:
        return self._parts(lambda trial: trial.lane)

    @property
    def likely_left(self) -> list[Part]:
        """What is known only after encoding, by reason."""
        return self._parts(lambda trial: trial.reason)

    def prediction(self, scope: list[str], made_at: int) -> dict[str, Any]:
        """For `predictions` and the history."""
        saving = self.saving
        return {
            "made_at": made_at,
            "scope": scope,
            "photos": self.photos,
            "original_bytes": self.original_bytes,
            "sample": len(self.trials),
            "saving_bytes": round(saving.total),
            "low_bytes": None if saving.low is None else round(saving.low),
            "high_bytes": None if saving.high is None else round(saving.high),
            "confidence": CONFIDENCE,
            "seconds": round(self.seconds.total, 1),
            "cpu_s": round(self.cpu_s.total, 1),
            "watt_hours": round(self.watt_hours, 3),
            "energy_source": self.energy.source,
        }

    @property
    def _watt_hours_per_cpu_s(self) -> float:
        return self.energy.watt_hours / self.sample_cpu_s if self.sample_cpu_s else 0.0

    def _total(self, value: Callable[[Trial], float]) -> Interval:
        return self.plan.total(lambda unit: value(self.trials[unit.id])) if self.trials else Interval(0.0, 0.0, 0.0)

    def _more(self, interval: Interval, constant: float) -> Interval:
        low, high = interval.low, interval.high
        return Interval(interval.total + constant, None if low is None else low + constant, None if high is None else high + constant)

    def _parts(self, kind: Callable[[Trial], str]) -> list[Part]:
        counts = Counter(map(kind, self.trials.values()))
        return [self._part(name, kind) for name, _ in counts.most_common() if name]

    def _part(self, name: str, kind: Callable[[Trial], str]) -> Part:
        def within(value: Callable[[Trial], float]) -> Interval:
            return self._total(lambda trial: value(trial) if kind(trial) == name else 0.0)

        cpu_s = within(lambda trial: trial.cpu_s).total
        return Part(
            name,
            self.plan.count(lambda unit: kind(self.trials[unit.id]) == name),
            within(lambda trial: trial.original_bytes).total,
            within(lambda trial: trial.saving_bytes),
            within(lambda trial: trial.seconds).total,
            cpu_s,
            cpu_s * self._watt_hours_per_cpu_s,
        )
