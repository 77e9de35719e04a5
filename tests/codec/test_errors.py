import pickle
import subprocess
import sys

import pytest

from codec.errors import CodecError, Corrupt, ModelMissing, NotAPicture, UnknownVersion, Unsupported

ERRORS = [
    NotAPicture("no magic"),
    Unsupported("cmyk"),
    Unsupported("too-large", "30000 x 40000"),
    Corrupt("the archive ends inside its header"),
    UnknownVersion("version 9"),
    ModelMissing(bytes(range(32))),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_errors_survive_the_way_from_a_worker_process(error: CodecError) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert copy.__dict__ == error.__dict__


def test_unsupported_says_its_reason_and_detail() -> None:
    assert str(Unsupported("cmyk")) == "cmyk"
    assert str(Unsupported("too-large", "30000 x 40000")) == "too-large: 30000 x 40000"


def test_import_codec_stays_light() -> None:
    program = (
        "import sys, codec\n"
        "heavy = {'torch', 'numpy', 'numba', 'PIL', 'zstandard'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "assert {'load_model', 'encode_pixels', 'decode_pixels', 'Corrupt'} <= set(dir(codec))\n"
        "try:\n    codec.no_such_name\nexcept AttributeError as error:\n    assert 'no_such_name' in str(error)\n"
        "else:\n    raise SystemExit('an unknown name was found')\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
