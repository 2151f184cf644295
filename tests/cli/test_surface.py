"""The command line's outside: help, mistakes, one JSON document, exit statuses, what it imports."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwright.cli import screen
from modelwright.cli.commands import COMMANDS
from modelwright.cli.reference import text

ROOT = Path(__file__).resolve().parents[2]
HEAVY = (
    "numpy",
    "torch",
    "sklearn",
    "lightgbm",
    "pyarrow",
    "onnx",
    "onnxruntime",
    "PIL",
    "sqlalchemy",
    "rich",
    "uvicorn",
    "starlette",
    "cryptography",
)


Mw = Callable[..., subprocess.CompletedProcess[str]]


def loaded(arguments: Sequence[str], cwd: Path) -> tuple[list[str], str]:
    """Run the command line inside a process that then says which heavy libraries it holds."""
    code = (
        "import sys, json; from modelwright.cli.main import main; status = main(sys.argv[2:]);"
        "print(json.dumps([name for name in json.loads(sys.argv[1]) if name in sys.modules]), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps([*HEAVY, "argparse", "yaml"]), *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stderr.splitlines()[-1]), done.stdout


def test_help_loads_nothing_and_names_every_command(mw: Mw, tmp_path: Path) -> None:
    names, out = loaded(["--help"], tmp_path)
    assert names == []
    for command in COMMANDS:
        assert f"\n  {command:<10}" in out
    assert mw(cwd=tmp_path).stdout == out
    assert mw("help", cwd=tmp_path).stdout == out


@pytest.mark.parametrize("command", [name for name in COMMANDS if name != "demo"])
def test_every_command_has_help_and_loads_nothing_heavy_for_it(command: str, tmp_path: Path) -> None:
    names, out = loaded([command, "--help"], tmp_path)
    assert not set(names) & set(HEAVY)
    assert out.startswith(f"usage: mw {command}")
    assert "--json" in out


def test_a_status_of_a_new_project_loads_nothing_heavy(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "modelwright.yaml").write_text("sources: [{folder: photos/}]\n")
    names, out = loaded(["status"], tmp_path)
    assert not set(names) & set(HEAVY)
    assert "mw run" in out


def test_the_version(mw: Mw, tmp_path: Path) -> None:
    from modelwright import __version__

    assert mw("--version", cwd=tmp_path).stdout == f"modelwright {__version__}\n"
    assert json.loads(mw("--version", "--json", cwd=tmp_path).stdout) == {"version": __version__}


USAGE = [
    (["trian"], "did you mean 'mw train'?"),
    (["--colour"], "no option '--colour'"),
    (["-C"], "-C wants a folder"),
    (["train", "--fast"], "unrecognized arguments: --fast"),
    (["run", "--to", "moon"], "invalid choice: 'moon'"),
    (["run", "a", "b"], "unrecognized arguments: b"),
    (["lineage"], "the following arguments are required: ID"),
    (["log", "-n", "0"], "0 is not between 1 and 100000"),
    (["log", "-n", "many"], "'many' is not a whole number"),
    (["export", "onnxx"], "there is no format 'onnxx'"),
    (["retrain", "--force", "--undo"], "not allowed with"),
    (["predict"], "the following arguments are required: INPUT"),
    (["serve", "--port", "70000"], "70000 is not between 0 and 65535"),
    (["-C", "nowhere", "status"], "there is no such folder"),
    (["status"], "there is no modelwright.yaml"),
    (["train"], "there is no modelwright.yaml"),
    (["run", "nothing-here"], "there is no 'nothing-here'"),
    (["init", "nothing-here"], "there is no 'nothing-here'"),
]


@pytest.mark.parametrize(("arguments", "words"), USAGE, ids=[" ".join(each[0]) for each in USAGE])
def test_bad_usage_is_one_line_and_status_2(mw: Mw, arguments: list[str], words: str, tmp_path: Path) -> None:
    done = mw(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert words in done.stderr
    told = mw(*arguments, "--json", cwd=tmp_path)
    assert told.returncode == 2
    error = json.loads(told.stdout)["error"]
    assert set(error) == {"code", "message", "hint"}
    assert list(tmp_path.iterdir()) == []


def test_a_mistake_in_the_spec_is_told_with_its_line(mw: Mw, tmp_path: Path) -> None:
    (tmp_path / "modelwright.yaml").write_text("sources: [{folder: photos/}]\ntrain: {budgt: 5m}\n")
    done = mw("run", "--json", cwd=tmp_path)
    assert done.returncode == 2
    error = json.loads(done.stdout)["error"]
    assert error["code"] == "bad-spec"
    assert "modelwright.yaml:2: unknown key 'train.budgt'" in error["message"]
    assert error["hint"] == "did you mean 'budget'?"


def test_the_project_is_found_upwards_and_by_name(mw: Mw, tmp_path: Path) -> None:
    inner = tmp_path / "photos" / "deep"
    inner.mkdir(parents=True)
    (tmp_path / "modelwright.yaml").write_text("name: belt\nsources: [{folder: photos/}]\n")
    assert json.loads(mw("status", "--json", cwd=inner).stdout)["project"] == "belt"
    assert json.loads(mw("-C", str(tmp_path), "--json", "status", cwd=ROOT).stdout)["project"] == "belt"
    assert json.loads(mw("status", f"-C{tmp_path}", "--json", cwd=ROOT).stdout)["project"] == "belt"
    done = mw("-C", str(inner), "status", cwd=tmp_path)
    assert done.returncode == 2
    assert "there is no modelwright.yaml" in done.stderr


def test_a_project_does_not_become_another_by_a_path(mw: Mw, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "modelwright.yaml").write_text("sources: [{folder: photos/}]\n")
    done = mw("run", "other", cwd=tmp_path)
    assert done.returncode == 2
    assert "is a project already" in done.stderr


def _shell(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, shell=True, cwd=folder, capture_output=True, text=True, check=False)


def test_standard_output_that_is_full_or_closed(tmp_path: Path) -> None:
    for arguments in ("--help", "status --help", "--help --json"):
        command = f"{sys.executable} -m modelwright.cli.main {arguments}"
        full = _shell(f"{command} > /dev/full", tmp_path)
        assert full.returncode == 1
        assert full.stderr.startswith("error: ")
        closed = _shell(f"{command} | true", tmp_path)
        assert "Traceback" not in closed.stderr
        assert "Broken" not in closed.stderr


def test_doctor_checks_and_says_why(mw: Mw, tmp_path: Path) -> None:
    done = mw("doctor", "--json", cwd=tmp_path, env={"OMP_WAIT_POLICY": "ACTIVE"})
    document = json.loads(done.stdout)
    checks = {each["name"]: each for each in document["checks"]}
    assert {"python", "runtime", "openmp", "disk", "store", "clock", "cores", "file descriptors"} <= set(checks)
    assert checks["openmp"]["status"] == "warn"
    assert "OMP_WAIT_POLICY" in checks["openmp"]["remedy"]
    assert checks["runtime"]["status"] == "ok", checks["runtime"]
    assert done.returncode == (1 if document["status"] == "fail" else 0)
    for each in document["checks"]:
        assert set(each) == {"name", "status", "found", "why", "remedy"}
        assert bool(each["remedy"]) == (each["status"] != "ok")
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_ends_with_130(tmp_path: Path) -> None:
    code = (
        # What runs in the background of a shell is born deaf to Ctrl-C.
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "import sys, time; import modelwright.cli.look as look\n"
        "look.the_project = lambda options: (print('waiting', file=sys.stderr, flush=True), time.sleep(60))\n"
        "from modelwright.cli.main import main; sys.exit(main(['status', '--json']))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        assert process.stdout is not None
        assert process.stderr.readline() == "waiting\n"
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert json.loads(out)["error"]["code"] == "interrupted"
    assert "Traceback" not in err


def test_what_libraries_print_never_mixes_with_the_answer(tmp_path: Path) -> None:
    code = (
        "import os, sys; import modelwright.cli.look as look\n"
        "class Project:\n"
        "    def log(self, limit):\n"
        "        print('noise from Python'); os.write(1, b'noise from C\\n'); os.system('echo noise from a child')\n"
        "        return [{'step': 'train\\x1b[31m', 'status': 'done', 'seconds': float('nan'), 'error': None}]\n"
        "look.the_project = lambda options: Project()\n"
        "from modelwright.cli.main import main; sys.exit(main(sys.argv[1:]))"
    )
    for arguments in (["log", "--json"], ["log"]):
        command = [sys.executable, "-c", code, *arguments]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        assert "noise" not in done.stdout
        assert done.stderr.count("noise") == 3
    assert "\x1b" not in done.stdout
    assert "train\\x1b[31m" in done.stdout


def test_an_unforeseen_error_is_one_line_after_its_traceback(tmp_path: Path) -> None:
    code = (
        "import sys; import modelwright.cli.look as look\n"
        "def fail(options): raise RuntimeError('two\\nlines')\n"
        "look.the_project = fail\n"
        "from modelwright.cli.main import main; sys.exit(main(['status', '--json']))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert json.loads(done.stdout)["error"]["code"] == "bug"
    assert "Traceback" in done.stderr


def test_the_reference_is_current() -> None:
    """If not: python -m modelwright.cli.reference > docs/cli.md."""
    assert (ROOT / "docs" / "cli.md").read_text(encoding="utf-8") == text()


_WORDS = st.text(st.characters())  # surrogates too
_LEAVES = st.none() | st.booleans() | st.floats() | _WORDS


@given(st.recursive(_LEAVES, lambda inner: st.lists(inner) | st.dictionaries(_WORDS, inner), max_leaves=9))
def test_any_document_is_json(document: object) -> None:
    data = screen.json_text(document).encode("utf-8", errors="backslashreplace")
    json.loads(data)


@given(_WORDS)
def test_any_text_is_clean_for_a_terminal(words: str) -> None:
    shown = screen.clean(words)
    assert not any(ord(letter) < 32 and letter not in "\t\n" for letter in shown)
    assert "\x7f" not in shown
    assert "\u202e" not in shown
    shown.encode("utf-8")


@given(st.text(), st.integers(2, 80))
def test_cut_text_fits(words: str, room: int) -> None:
    assert screen.width(screen.cut(words, room)) <= room
