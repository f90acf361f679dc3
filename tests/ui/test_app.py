from pathlib import Path

import pytest

import app


def test_every_option_comes_from_the_command_line_or_the_environment(tmp_path: Path) -> None:
    environ = {"STEPWISE_PORT": "7", "STEPWISE_HOST": "h", "STEPWISE_SHARE": "true"}
    environ |= {"STEPWISE_AUTH": "ann:a:b", "STEPWISE_ROOT_PATH": "/x", "STEPWISE_DEVICE": "cpu"}
    environ |= {"STEPWISE_DTYPE": "float32", "STEPWISE_MODELS": str(tmp_path)}
    options = app.parse(["--port", "8", "--no-share"], environ)
    assert (options.port, options.host, options.share) == (8, "h", False)
    assert options.auth == [("ann", "a:b")]
    assert (options.root_path, options.device, options.dtype) == ("/x", "cpu", "float32")
    assert options.models == tmp_path


def test_defaults_suit_the_place() -> None:
    options = app.parse([], {})
    assert (options.host, options.port, options.share, options.auth) == (
        "127.0.0.1",
        7860,
        False,
        None,
    )
    assert app.parse([], {"SPACE_ID": "ann/stepwise"}).host == "0.0.0.0"


@pytest.mark.parametrize(
    ("name", "value"), [("PORT", "x"), ("DEVICE", "tpu"), ("DTYPE", "int3"), ("AUTH", "ann")]
)
def test_a_wrong_variable_is_refused_like_a_wrong_option(
    name: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        app.parse([], {f"STEPWISE_{name}": value})
    assert f"--{name.lower()}" in capsys.readouterr().err


def test_help_names_every_variable(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        app.parse(["--help"], {})
    text = capsys.readouterr().out
    for name in app.OPTIONS:
        assert f"STEPWISE_{name.upper().replace('-', '_')}" in text


def test_outputs_move_to_the_users_folder_where_the_code_is_read_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert app.default_outputs({}) == app.ROOT / "outputs"
    monkeypatch.setattr("app.os.access", lambda *_: False)
    assert app.default_outputs({"XDG_DATA_HOME": "/data"}) == Path("/data/stepwise/outputs")
    assert app.default_outputs({}) == Path.home() / ".local/share/stepwise/outputs"
