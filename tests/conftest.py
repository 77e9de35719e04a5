"""What every test gets: a home of its own, photos that look like photos, and the shared files where they exist."""

import importlib.util
import io
import os
import re
import sys
import tempfile
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

# Before anything imports numpy or torch: their threads spin, and two processes of two threads on two cores
# slow one another tenfold.
for _threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(_threads, "1")

import numpy as np  # noqa: E402
import pytest  # noqa: E402
from hypothesis import HealthCheck, settings  # noqa: E402
from numpy.typing import NDArray  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent

# dev looks for new examples each time; ci always runs the same ones, so that a red build can be repeated.
settings.register_profile("dev", max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", max_examples=50, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ci" if os.environ.get("CI") == "true" else "dev")


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the tests' own folders lie. To number a new one, pytest would look through thousands."""
    return tmp_path_factory.mktemp("tests")


@pytest.fixture
def tmp_path(request: pytest.FixtureRequest, folders: Path) -> Path:
    """pytest's, without a number; kept as long as its are."""
    return Path(tempfile.mkdtemp(prefix=re.sub(r"\W", "_", request.node.name)[:30] + "-", dir=folders))


@pytest.fixture(autouse=True)
def sealed_home(folders: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test reads or writes the configuration, the state or the cache of the person who runs it."""
    home = Path(tempfile.mkdtemp(prefix="home-", dir=folders))
    monkeypatch.setenv("HOME", str(home))
    for variable, folder in {
        "XDG_CONFIG_HOME": ".config",
        "XDG_STATE_HOME": ".local/state",
        "XDG_DATA_HOME": ".local/share",
        "XDG_CACHE_HOME": ".cache",
        "XDG_RUNTIME_DIR": ".run",
    }.items():
        place = home / folder
        place.mkdir(parents=True, exist_ok=True)
        monkeypatch.setenv(variable, str(place))
    for variable in [name for name in os.environ if name.startswith("GALLERY_OPTIMIZER_") and name != "GALLERY_OPTIMIZER_SHARED"]:
        monkeypatch.delenv(variable)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
    return home


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real photos beside the checkout; without it the test is skipped, or fails where CI=true."""
    folder = Path(os.environ.get("GALLERY_OPTIMIZER_SHARED") or ROOT.parent / "shared")
    if folder.is_dir():
        return folder
    message = f"no shared photos at {folder}: set GALLERY_OPTIMIZER_SHARED to the folder that holds data/ and corpus/"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


def _band(rng: np.random.Generator, height: int, width: int, period: float) -> NDArray[np.float64]:
    """Smooth noise of unit deviation whose waves are about `period` pixels long, [H, W]."""
    fy = np.fft.fftfreq(height)[:, None]
    fx = np.fft.rfftfreq(width)[None, :]
    radius = np.hypot(fy, fx) * period
    spectrum = np.fft.rfft2(rng.standard_normal((height, width))) * np.exp(-((radius - 1) ** 2) * 2)
    band = np.fft.irfft2(spectrum, s=(height, width))
    deviation = float(band.std())
    return band / deviation if deviation > 1e-9 else band


def photo_like(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    """A generated photo, uint8 [H, W, 3]: light falling off, soft shapes with edges, texture that dies with frequency, grain."""
    return _photo_like(height, width, seed).copy()


@lru_cache(maxsize=100)  # many tests ask for the same
def _photo_like(height: int, width: int, seed: int) -> NDArray[np.uint8]:
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width] / max(height, width, 2)
    angle = rng.uniform(0, 2 * np.pi)
    light = 150 + 70 * (np.cos(angle) * x + np.sin(angle) * y)
    picture = np.stack([light * tint for tint in rng.uniform(0.75, 1.1, 3)], axis=-1)
    for _ in range(8):
        # An ellipse with a rim a pixel or two wide: the edges that a codec must hold.
        cy, cx, ry, rx = rng.uniform(0, 1, 2).tolist() + rng.uniform(0.05, 0.35, 2).tolist()
        distance = np.hypot((y - cy) / ry, (x - cx) / rx)
        inside = np.clip((1 - distance) * max(height, width) * min(ry, rx) / 1.5, 0, 1)[..., None]
        picture = picture * (1 - inside) + (picture * 0.35 + rng.uniform(20, 150) + rng.uniform(-20, 20, 3)) * inside
    for period, strength in ((64.0, 9.0), (16.0, 5.0), (5.0, 3.0)):
        texture = _band(rng, height, width, period)
        where = np.clip(_band(rng, height, width, 96.0) + 0.3, 0, 1)  # texture lives in places, not everywhere
        picture = picture + (texture * where * strength)[..., None] * rng.uniform(0.7, 1.0, 3)
    picture = picture + rng.normal(0, 1.2, (height, width, 1))
    pixels: NDArray[np.uint8] = np.clip(np.rint(picture), 0, 255).astype(np.uint8)
    return pixels


@pytest.fixture(scope="session")
def make_photo() -> Callable[..., NDArray[np.uint8]]:
    """`make_photo(height, width, seed=0)` -> uint8 [H, W, 3]; the same arguments always give the same pixels."""
    return photo_like


@pytest.fixture(scope="session")
def make_jpeg() -> Callable[..., bytes]:
    """`make_jpeg(height=480, width=640, seed=0, quality=95, exif=True, **save)` -> the bytes of a phone-like 4:2:0 JPEG."""
    from PIL import Image

    def make(height: int = 480, width: int = 640, seed: int = 0, *, quality: int = 95, exif: bool = True, **save: object) -> bytes:
        image = Image.fromarray(photo_like(height, width, seed))
        if exif:
            tags = Image.Exif()
            tags[0x010F], tags[0x0110], tags[0x0132] = "Example", "Example 1", "2021:07:04 12:00:00"
            tags[0x0112] = 6
            save.setdefault("exif", tags.tobytes())
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=quality, **{"subsampling": "4:2:0", **save})
        return buffer.getvalue()

    return make


@pytest.fixture(scope="session")
def package_photos() -> dict[str, Path]:
    """Photographs that lie inside installed wheels (nothing is downloaded): name -> path of a JPEG or PNG, all RGB."""
    places = {
        "skimage": ("data", ["astronaut.png", "chelsea.png", "coffee.png", "motorcycle_left.png", "rocket.jpg", "retina.jpg"]),
        "sklearn": ("datasets/images", ["china.jpg", "flower.jpg"]),
    }
    found = {}
    for package, (folder, names) in places.items():
        spec = importlib.util.find_spec(package)  # found, not imported: importing scikit-learn takes a second
        if spec is not None and spec.origin is not None:
            for name in names:
                path = Path(spec.origin).parent / folder / name
                if path.is_file():
                    found[path.stem] = path
    if not found:
        pytest.skip("no photographs inside packages: install the dev extra")
    return found
