import pytest

from ui.many import MOST, read_lines


def test_a_text_file_is_read() -> None:
    assert read_lines("\ufeffa cube\nein Würfel".encode()) == "a cube\nein Würfel"


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ("ein Würfel".encode("latin-1"), "UTF-8"),
        (b"a\0b", "no text"),
        (b"a" * (MOST + 1), "more than 1,000,000 bytes"),
    ],
)
def test_what_is_no_text_is_told(data: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        read_lines(data)
