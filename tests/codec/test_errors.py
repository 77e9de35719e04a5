import subprocess
import sys

from codec.errors import Unsupported


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
