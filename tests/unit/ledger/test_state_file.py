from __future__ import annotations

import json
import logging
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sandbox_exporter.ledger.scope import LIFETIME, Marks
from sandbox_exporter.ledger.state_file import FORMAT, VERSION, StateFile, encode
from sandbox_exporter.model import Field

MARKS: dict[str, Marks] = {
    "seacloud prod": {
        "2026-11": {"\0summary": {Field.COST_USD: 1.5}, "tpl-ü": {Field.VCPU_SECONDS: 3600.0}},
        LIFETIME: {"\0usage": {Field.SESSIONS: 7.0}},
    }
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where a state file may be."""
    return tmp_path / "state.json"


def load(path: Path) -> dict[str, Marks]:
    """What a new process reads."""
    state = StateFile(str(path))
    try:
        return state.load()
    finally:
        state.close()


def written(accounts: Mapping[str, Marks]) -> dict[str, str]:
    """Each account's marks as they are written."""
    return {account: encode(marks) for account, marks in accounts.items()}


def document(**changes: object) -> str:
    """A state file's text with something changed at its top."""
    return json.dumps({"format": FORMAT, "version": VERSION, "accounts": MARKS} | changes)


def test_marks_come_back_as_they_were_saved(file: Path) -> None:
    """What was saved is read by the next process."""
    state = StateFile(str(file))
    assert state.load() == {}
    state.save(written(MARKS))
    state.close()
    assert load(file) == MARKS


BAD = {
    "empty": "",
    "garbage": "\0\1\2",
    "truncated": document()[:-20],
    "not an object": "[]",
    "another program's": json.dumps({"format": "something else"}),
    "newer": document(version=VERSION + 1),
    "no accounts": document(accounts=None),
    "periods": document(accounts={"a": []}),
    "month": document(accounts={"a": {"2026-13": {}}}),
    "scopes": document(accounts={"a": {"2026-11": 1}}),
    "marks": document(accounts={"a": {"2026-11": {"t": 1}}}),
    "unknown field": document(accounts={"a": {"2026-11": {"t": {"joules": 1}}}}),
    "text": document(accounts={"a": {"2026-11": {"t": {"cost_usd": "1"}}}}),
    "boolean": document(accounts={"a": {"2026-11": {"t": {"cost_usd": True}}}}),
    "negative": document(accounts={"a": {"2026-11": {"t": {"cost_usd": -1}}}}),
    "infinite": document(accounts={"a": {"2026-11": {"t": {"cost_usd": float("inf")}}}}),
    "not a number": document(accounts={"a": {"2026-11": {"t": {"cost_usd": float("nan")}}}}),
    "huge": document(accounts={"a": {"2026-11": {"t": {"cost_usd": 10**400}}}}),
    "deep": "[" * 100_000,
}


def test_what_providers_remember_comes_back(file: Path) -> None:
    """It stands beside the marks; a file of an earlier version has none."""
    state = StateFile(str(file))
    state.save(written(MARKS), {"acmebox prod": '{"counted":["a"]}'})
    assert state.load() == MARKS
    assert state.memories == {"acmebox prod": {"counted": ["a"]}}
    state.save(written(MARKS))
    assert state.load() == MARKS
    assert state.memories == {}
    state.close()


@pytest.mark.parametrize("text", BAD.values(), ids=BAD.keys())
def test_a_file_that_cannot_be_understood_is_set_aside(
    file: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The start goes on without it, one warning says so, and nothing of it is lost."""
    file.write_text(text)
    assert load(file) == {}
    assert not file.exists()
    (aside,) = file.parent.glob("state.json.*.bad")
    assert aside.read_text() == text
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "set aside" in record.message
    assert vars(record)["aside"] == str(aside)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.binary() | JSON.map(lambda value: document(accounts=value).encode()))
def test_no_file_stops_the_start(file: Path, content: bytes) -> None:
    """Whatever the file holds, it is read or set aside."""
    file.write_bytes(content)
    for scopes in (s for m in load(file).values() for s in m.values()):
        for value in (v for marks in scopes.values() for v in marks.values()):
            assert 0 <= value < float("inf")


def test_a_file_that_may_not_be_read_is_an_error(file: Path) -> None:
    """A folder in its place is told as the system tells it."""
    file.mkdir()
    with pytest.raises(OSError, match=r"^state_file: cannot read .*: Is a directory$"):
        load(file)


def test_two_processes_cannot_have_one_file(file: Path) -> None:
    """The second is refused with one clear line, until the first lets go."""
    first = StateFile(str(file))
    with pytest.raises(OSError, match=r"state_file: .*state.json is in use by another process"):
        StateFile(str(file))
    code = f"from sandbox_exporter.ledger.state_file import StateFile; StateFile({str(file)!r})"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert b"is in use by another process" in other.stderr
    first.close()
    StateFile(str(file)).close()


def test_a_save_that_fails_leaves_the_old_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is full in the middle of a save costs nothing that was saved before."""
    state = StateFile(str(file))
    state.save(written(MARKS))

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        state.save({})
    monkeypatch.undo()
    assert state.load() == MARKS
    state.close()


def test_saves_at_the_same_time_do_not_mix(file: Path) -> None:
    """Whichever save is last, the file is one of them, whole."""
    state = StateFile(str(file))
    versions: list[dict[str, Marks]] = [
        {f"a{n}": {LIFETIME: {f"t{i}": {Field.SESSIONS: float(n)} for i in range(50)}}}
        for n in range(4)
    ]

    def save(version: dict[str, Marks]) -> None:
        for _ in range(5):
            state.save(written(version))

    threads = [threading.Thread(target=save, args=(version,)) for version in versions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert state.load() in versions
    state.close()


def mode(path: Path) -> int:
    """Who may do what with a file."""
    return stat.S_IMODE(path.lstat().st_mode)


def test_all_files_are_for_their_owner_alone(file: Path) -> None:
    """The state, its lock and what was set aside name templates and accounts."""
    file.write_text("garbage")
    (file.parent / "state.json.lock").touch(0o666)
    state = StateFile(str(file))
    state.load()
    state.save(written(MARKS))
    state.close()
    names = sorted(path.name for path in file.parent.iterdir())
    assert [name.split(".")[-1] for name in names] == ["json", "bad", "lock"]
    assert {mode(path) for path in file.parent.iterdir()} == {0o600}


def test_a_file_of_an_earlier_version_is_read(file: Path) -> None:
    """It knows no times at which closed months were shown, and no empty months."""
    file.write_text(document())
    assert load(file) == MARKS


@pytest.mark.parametrize("name", ["state.json", "state.json.lock"])
def test_symbolic_links_are_refused(file: Path, name: str) -> None:
    """Whoever can write to the folder cannot have another file written in its place."""
    target = file.parent / "target"
    target.write_text("mine")
    (file.parent / name).symlink_to(target)
    with pytest.raises(OSError, match="is a symbolic link"):
        StateFile(str(file))
    assert target.read_text() == "mine"


def test_a_link_that_is_laid_later_is_not_followed(file: Path) -> None:
    """Between the look at the path and the read, too."""
    state = StateFile(str(file))
    (file.parent / "target").write_text(document())
    file.symlink_to(file.parent / "target")
    with pytest.raises(OSError, match="cannot read"):
        state.load()
    state.close()


def test_a_new_lock_is_for_its_owner_from_the_start(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not only once its mode is set: who opened it before could hold it."""
    monkeypatch.setattr(os, "fchmod", lambda _file, _mode: None)
    StateFile(str(file)).close()
    assert mode(file.with_name("state.json.lock")) == 0o600


def test_a_temporary_file_cannot_be_laid_in_the_way(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each save writes to a new file of an unpredictable name, which a killed one leaves behind."""
    state = StateFile(str(file))
    used: list[str] = []
    replace = Path.replace

    def noted(new: Path, target: Path) -> Path:
        used.append(new.name)
        assert mode(new) == 0o600
        return replace(new, target)

    monkeypatch.setattr(Path, "replace", noted)
    state.save(written(MARKS))
    state.save(written(MARKS))
    state.close()
    assert len(set(used)) == 2
    left = file.parent / used[0]
    left.write_text("cut")
    StateFile(str(file)).close()
    assert not left.exists()


def test_the_folder_is_written_to_the_disk_too(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A power cut after a save does not bring the old file back."""
    state = StateFile(str(file))
    kinds: list[bool] = []
    monkeypatch.setattr("os.fsync", lambda fd: kinds.append(stat.S_ISDIR(os.fstat(fd).st_mode)))
    state.save(written(MARKS))
    state.close()
    assert kinds == [False, True]
