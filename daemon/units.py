"""The service under systemd: which unit, with which program and places, and the systemctl calls around it."""

import os
import pwd
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from daemon.errors import CommandFailed, NothingToDo
from daemon.places import CONFIG_VARIABLE, STATE_VARIABLE, Places
from storage import durable
from storage.errors import StorageError

NAME = "gallery-optimizer"
SYSTEM_FOLDER = Path("/etc/systemd/system")
_USER_PROGRAM = f"%h/.local/bin/{NAME}"
_SYSTEM_PROGRAM = f"/opt/{NAME}/bin/{NAME}"


@dataclass(frozen=True, slots=True)
class Unit:
    """One unit file and how systemctl is called about it. `user` "" : the calling user's own manager."""

    user: str = ""

    @property
    def file(self) -> Path:
        if self.user:
            return SYSTEM_FOLDER / f"{NAME}@.service"
        config = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
        return Path(config).expanduser() / "systemd/user" / f"{NAME}.service"

    @property
    def name(self) -> str:
        return f"{NAME}@{self.user}.service" if self.user else f"{NAME}.service"

    @property
    def systemctl(self) -> list[str]:
        return ["systemctl"] if self.user else ["systemctl", "--user"]

    def text(self, program: Path, places: Places | None) -> str:
        """The unit file; `places`: those that were given on the command line, None for the usual ones."""
        template = _template(self.file.name)
        text = template.replace(f"ExecStart={_SYSTEM_PROGRAM if self.user else _USER_PROGRAM} ", f"ExecStart={_escaped(program)} ")
        if places is None or self.user:  # the system's serves several users; what is one's own stands in `drop_in`
            return text
        return text.replace("ExecStart=", "".join(f"{line}\n" for line in _variables(places)) + "ExecStart=", 1)

    @property
    def own_file(self) -> Path:
        """The drop-in of one user of the system's unit."""
        return SYSTEM_FOLDER / f"{self.name}.d" / f"{NAME}.conf"

    def drop_in(self, places: Places | None, galleries: Iterable[Path]) -> str:
        """What the system's unit needs for this user alone; empty where it is nothing. `places`: as in `text`."""
        home = Path("/home", self.user)
        outside = [root for root in galleries if not root.is_relative_to(home)]
        lines = [] if places is None else _variables(places)
        lines += [f"ReadWritePaths=-{_escaped(path)}" for path in (*outside, *([] if places is None else [places.state_folder]))]
        return "\n".join((f"# Of {NAME} service install, for {self.user} alone.", "[Service]", *lines, "")) if lines else ""


def _variables(places: Places) -> list[str]:
    given = {CONFIG_VARIABLE: places.config_file, STATE_VARIABLE: places.state_folder}
    return [f'Environment="{name}={_escaped(path)}"' for name, path in given.items()]


def system_config(user: str) -> Path:
    """Where the system's unit looks for the configuration of a user."""
    return Path("/etc", NAME, f"{user}.toml")


def _escaped(path: Path) -> str:
    """For a unit file, where % begins a specifier, and quotes and spaces end a word."""
    return str(path).replace("%", "%%").replace("\\", "\\\\").replace('"', '\\"').replace(" ", "\\x20")


def _template(name: str) -> str:
    for folder in (Path(__file__).parent.parent / "systemd", Path(sysconfig.get_path("data")) / f"share/{NAME}/systemd"):
        if (folder / name).is_file():
            return (folder / name).read_text(encoding="utf-8")
    raise CommandFailed(f"the unit file {name} is not installed with this program; take it from the source, folder systemd/.")


def program() -> Path:
    """The program that runs now, as systemd can start it."""
    beside = Path(sys.executable).parent / NAME
    if beside.is_file():
        return beside
    found = shutil.which(NAME)
    if found is None:
        raise CommandFailed(f"the program {NAME} can't be found; install it first (pipx install .).")
    return Path(found).absolute()


def try_as(unit: Unit, program: Path, config: Path) -> None:
    """Start the program as the unit's user and have it read the configuration, as the service will. Only root can try that.
    Raises CommandFailed where it can't."""
    if not unit.user or os.geteuid() != 0:
        return
    found = pwd.getpwnam(unit.user)
    try:
        done = subprocess.run(
            [program, "--config", config, "config", "show"],
            user=found.pw_uid,
            group=found.pw_gid,
            extra_groups=os.getgrouplist(unit.user, found.pw_gid),
            env={"HOME": found.pw_dir, "PATH": os.environ.get("PATH", os.defpath)},
            cwd="/",
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    except OSError as error:
        raise CommandFailed(
            f"{unit.user} can't start {program} ({error.strerror}): it, or its Python, most likely lies in somebody else's home folder. "
            f"Install it where everybody may read it, such as {Path(_SYSTEM_PROGRAM).parent.parent}."
        ) from None
    except subprocess.TimeoutExpired:
        raise CommandFailed(f"{program}, started as {unit.user}, did not read {config} within two minutes.") from None
    if done.returncode != 0:
        said = (done.stderr.strip() or f"exit code {done.returncode}").splitlines()[-1].removeprefix(f"{NAME}: ").removeprefix("Error: ")
        raise CommandFailed(f"{program}, started as {unit.user}, would end at once: {said}")


def install(unit: Unit, places: Places | None, galleries: Iterable[Path] = (), *, start: bool = True) -> list[str]:
    """Write the unit file, and have systemd enable and start it; what was done, for people. `galleries`: their roots.
    Raises CommandFailed."""
    told = [_written(unit, unit.file, unit.text(program(), places))]
    own = unit.drop_in(places, galleries) if unit.user else ""
    if own:
        told.append(_written(unit, unit.own_file, own))
    elif unit.user:
        _remove_own(unit)
    enable = f"{' '.join(unit.systemctl)} daemon-reload && {' '.join(unit.systemctl)} enable --now {unit.name}"
    if not start:
        told.append(f"Enable it with: {enable}")
        return told
    try:
        _call(unit, "daemon-reload")
        _call(unit, "enable", unit.name)
        _call(unit, "restart", unit.name)
    except CommandFailed as error:
        raise CommandFailed(
            f"{unit.file} is written, but the service could not be started. {error}{_why(unit, str(error))}\nTry again with: {enable}"
        ) from error
    told.append(f"Running, and started again with the computer: {unit.name}")
    if not unit.user:
        told.append("It runs while you are logged in. To have it run at any time: loginctl enable-linger")
    return told


def _written(unit: Unit, file: Path, text: str) -> str:
    """What to say of a file that stands now. Raises CommandFailed."""
    try:
        durable.make_folders(file.parent)
        durable.write_over(file, text.encode())
    except StorageError as error:
        raise CommandFailed(f"{file} can't be written: {error}" + (" (for the system, be root)" if unit.user else "")) from error
    file.chmod(0o644)
    return f"Written: {file}"


def _remove_own(unit: Unit) -> bool:
    """Whether there was one. Its folder stays: there may be drop-ins of the administrator."""
    if not unit.own_file.exists():
        return False
    durable.remove(unit.own_file)
    return True


def uninstall(unit: Unit) -> list[str]:
    """Stop and disable it, and remove the unit file. Galleries, archives, catalogue and configuration stay.
    Raises CommandFailed, and NothingToDo where there is none."""
    if not unit.file.exists():
        raise NothingToDo(f"it is not installed: there is no {unit.file}.")
    told = []
    try:
        _call(unit, "disable", "--now", unit.name)
        told.append(f"Stopped and disabled: {unit.name}")
    except CommandFailed as error:
        told.append(f"systemd could not be told ({error})")
    if unit.user and _remove_own(unit):
        told.append(f"Removed: {unit.own_file}")
    if unit.user and _others(unit):
        told.append(f"{unit.file} stays: it serves other users, too.")
        return told
    durable.remove(unit.file)
    told.append(f"Removed: {unit.file}")
    return told


def state(unit: Unit) -> dict[str, str]:
    """What systemd says of it; raises CommandFailed where systemd can't be asked."""
    properties = ("LoadState", "UnitFileState", "ActiveState", "SubState", "StatusText", "Result", "MainPID", "NRestarts")
    answer = _call(unit, "show", unit.name, "--property=" + ",".join(properties))
    return dict(line.split("=", 1) for line in answer.splitlines() if "=" in line)


def _others(unit: Unit) -> bool:
    """Whether the template is enabled for other users."""
    wanted = SYSTEM_FOLDER / "multi-user.target.wants"
    return wanted.is_dir() and any(each.name != unit.name for each in wanted.glob(f"{NAME}@*.service"))


@contextmanager
def at_home(user: str) -> Iterator[None]:
    """Meanwhile ~ means the home folder of that user, as it will to the service; "": the calling one's.
    Raises CommandFailed for a user that there is not, and for root."""
    before = os.environ.get("HOME")
    if user:
        os.environ["HOME"] = _home_of(user)
    try:
        yield
    finally:
        if before is None:
            os.environ.pop("HOME", None)
        else:
            os.environ["HOME"] = before


def _home_of(user: str) -> str:
    try:
        found = pwd.getpwnam(user)
    except KeyError:
        raise CommandFailed(f"there is no user {user}.") from None
    if found.pw_uid == 0:
        raise CommandFailed("it must not run as root: give the user to whom the photos belong with --user.")
    return found.pw_dir


def _why(unit: Unit, said: str) -> str:
    """What most likely stands behind a manager of one's own that can't be reached."""
    if unit.user or "connect to bus" not in said:
        return ""
    return "\nsu and sudo begin no session in which your own services run: log in as the user to whom the photos belong, and call it there."


def _call(unit: Unit, *arguments: str) -> str:
    command = [*unit.systemctl, *arguments]
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    except FileNotFoundError:
        raise CommandFailed("this system has no systemctl; start `gallery-optimizer run` by whatever starts services here.") from None
    except subprocess.TimeoutExpired:
        raise CommandFailed(f"{' '.join(command)} did not end within two minutes.") from None
    if result.returncode != 0:
        said = (result.stderr or result.stdout).strip() or f"exit code {result.returncode}"
        called = " ".join(each for each in command if not each.startswith("--property="))
        raise CommandFailed(f"{called} failed: {said}")
    return result.stdout
