"""Every path of the program that does not belong to a gallery, as properties of one object."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from daemon.errors import WrongPath

APPLICATION = "gallery-optimizer"
CONFIG_VARIABLE = "GALLERY_OPTIMIZER_CONFIG"
STATE_VARIABLE = "GALLERY_OPTIMIZER_STATE"


@dataclass(frozen=True, slots=True)
class Places:
    """Where one set-up keeps its things; two set-ups with different places never meet."""

    config_file: Path
    state_folder: Path

    @property
    def catalog_file(self) -> Path:
        """The SQLite catalogue. Never inside a gallery: a sync tool would copy it while it is written."""
        return self.state_folder / "catalog.sqlite3"

    @property
    def estimates_file(self) -> Path:
        """What was predicted of runs to come."""
        return self.state_folder / "estimates.json"

    @property
    def outlook_file(self) -> Path:
        """How many photos came in the last weeks, as the last run saw it."""
        return self.state_folder / "outlook.json"

    @property
    def reserve_file(self) -> Path:
        """Space for the catalogue's last words on a full disk."""
        return self.state_folder / "reserve"

    @property
    def cache_folder(self) -> Path:
        """Decoded photos, which may be deleted at any time."""
        import platformdirs

        return platformdirs.user_cache_path(APPLICATION) / "copies"

    @property
    def secret_file(self) -> Path:
        """What a browser has to know where the page is served to other computers."""
        return self.state_folder / "serve-secret"

    @property
    def service_lock_file(self) -> Path:
        """Held by the service as long as it runs; `lock_file` only while it works."""
        return self.state_folder / "service.lock"

    @property
    def socket_files(self) -> tuple[Path, ...]:
        """Where a service on this state takes orders: in the first of these folders that there is. Commands look at all of them."""
        import hashlib

        runtime = os.environ.get("XDG_RUNTIME_DIR", "")
        mark = hashlib.sha256(os.fsencode(self.state_folder)).hexdigest()[:16]  # two set-ups of one user have one runtime folder
        inside = (Path(runtime, APPLICATION, f"{mark}.sock"),) if runtime and is_folder(Path(runtime)) else ()
        return (*inside, self.state_folder / "control.sock")

    @property
    def pause_file(self) -> Path:
        """Says until when the schedule rests."""
        return self.state_folder / "paused"

    @property
    def lock_file(self) -> Path:
        """Held while anything is changed."""
        return self.state_folder / "lock"

    @classmethod
    def find(cls, config: Path | None, state: Path | None, environment: Mapping[str, str] = os.environ) -> "Places":
        """The option wins over the environment variable, that over the XDG places. Raises WrongPath where these have no home, and where the
        state would be in a file."""
        config = config or _from_environment(environment, CONFIG_VARIABLE)
        state = state or _from_environment(environment, STATE_VARIABLE)
        try:
            if config is None or state is None:
                import platformdirs

                config = config or platformdirs.user_config_path(APPLICATION) / "config.toml"
                state = state or platformdirs.user_state_path(APPLICATION)
            found = cls(config.expanduser().absolute(), state.expanduser().absolute())
        except RuntimeError:
            raise WrongPath(
                f"there is no such home folder; name whole paths with --config and --state, or set {CONFIG_VARIABLE} and {STATE_VARIABLE}."
            ) from None
        if not is_folder(found.state_folder) and os.path.lexists(found.state_folder):
            raise WrongPath(f"the state folder {found.state_folder} is no folder; choose another with --state.")
        return found


def real(path: Path) -> Path:
    """The whole path with its links resolved, as far as they lead anywhere: `Path.resolve` raises for links in a circle."""
    return Path(os.path.realpath(path))


def home_folder() -> Path:
    """Of the user who runs us; one that does not exist for a user who has none, as in many a container."""
    try:
        return Path.home()
    except RuntimeError:
        return Path("/nonexistent")


def is_folder(path: Path) -> bool:
    """False too where a folder above may not be entered, for which `Path.is_dir` raises."""
    try:
        return path.is_dir()
    except OSError:
        return False


def is_there(path: Path) -> bool:
    """The same, for which `Path.exists` raises."""
    try:
        return path.exists()
    except OSError:
        return False


def _from_environment(environment: Mapping[str, str], name: str) -> Path | None:
    value = environment.get(name, "")
    return Path(value) if value else None
