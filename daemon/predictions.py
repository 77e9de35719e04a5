"""Estimates that were made, kept in the state folder until a run shows what came out.

Not in the catalogue, since an estimate is made without the lock, while another instance may work, and may be the first thing of all.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from daemon.errors import CommandFailed
from daemon.places import Places
from daemon.state_folder import make_state_folder
from storage import durable
from storage.errors import StorageError, shown
from storage.records import RunRow

KEPT = 100
LONGEST_S = 90 * 86400
"""An older one is of another gallery, so to speak."""

Prediction = Mapping[str, Any]
"""`made_at`, `scope`, `photos`, `original_bytes`, `saving_bytes`, `low_bytes`, `high_bytes` (null: too few to tell), `seconds`, `cpu_s`,
`watt_hours`, `sample`."""

_log = logging.getLogger(__name__)


def note(places: Places, prediction: Prediction) -> None:
    """Add one; where that can't be done, only the later comparison is missing."""
    kept = [*_read(places), prediction][-KEPT:]
    try:
        make_state_folder(places)
        durable.write_over(places.estimates_file, json.dumps(kept, indent=1).encode())
    except (CommandFailed, StorageError) as error:
        _log.warning("the estimate can't be noted for the history: %s", error)


def fitting(places: Places, scope: Sequence[str], runs: Sequence[RunRow], now: int) -> Prediction | None:
    """The latest that was made of these photos and whose photos have not all been worked on since. `runs`: the latest ones."""
    for prediction in reversed(_read(places)):
        if prediction.get("scope") != list(scope) or not 0 <= now - int(prediction.get("made_at", 0)) <= LONGEST_S:
            continue
        done = sum(run.worked for run in runs if run.prediction and run.prediction.get("made_at") == prediction["made_at"])
        return prediction if done < int(prediction.get("photos", 0)) else None
    return None


def _read(places: Places) -> list[Prediction]:
    try:
        found = json.loads(places.estimates_file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        _log.warning("%s can't be read (%s); earlier estimates are forgotten", shown(places.estimates_file), error)
        return []
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
