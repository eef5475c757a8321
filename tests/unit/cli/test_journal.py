"""A journal, cut anywhere: what was finished is known, what was begun is known, and nothing else."""

import json

import pytest

from sekisho.cli.factory.journal import MAX_LINE, NAME, Journal, JournalError

JOB = {"command": "make", "name": "d-{n}"}


def written(folder) -> bytes:
    with Journal(folder, JOB) as journal:
        journal.begin({"a": "1" * 64, "b": "2" * 64})
        journal.finish({"a": "f" * 64}, {"b": "no"})
        journal.begin({"b": "3" * 64})
        journal.lose("e" * 64)
        journal.finish({"b": "d" * 64}, {})
    return (folder / NAME).read_bytes()


def test_what_is_written_is_read(tmp_path):
    written(tmp_path)
    with Journal(tmp_path, JOB) as journal:
        assert (journal.done, journal.failed, journal.begun) == ({"a", "b"}, {}, {})
        assert (journal.lost, journal.batches) == ({"e" * 64}, 2)


def test_cut_at_any_byte_it_goes_on(tmp_path):
    whole = written(tmp_path)
    ends = [n + 1 for n, byte in enumerate(whole) if byte == ord("\n")]
    states = []
    for length in range(len(whole) + 1):
        (tmp_path / NAME).write_bytes(whole[:length])
        with Journal(tmp_path, JOB) as journal:
            states.append((sorted(journal.done), {name: len(keys) for name, keys in journal.begun.items()}))
            journal.begin({"z": "9" * 64})
        text = (tmp_path / NAME).read_text()
        assert [json.loads(line) for line in text.splitlines()], "every line is whole again"
        assert text.endswith("\n")
    by_lines = [states[length] for length in ends]
    # The job, the first batch begun, done but for b, b begun again, one lost, all done.
    assert by_lines == [
        ([], {}),
        ([], {"a": 1, "b": 1}),
        (["a"], {"b": 1}),
        (["a"], {"b": 2}),
        (["a"], {"b": 2}),
        (["a", "b"], {}),
    ]
    # Between two lines nothing is known but the one before.
    for length, state in enumerate(states):
        assert state == ([([], {}), *by_lines][sum(end <= length for end in ends)])


@pytest.mark.parametrize("line", [b"7", b"[]", b"{}", b"null", b'{"begun": 5}', b'{"done": {"a"', b"\xff"])
def test_a_line_that_is_none_is_named(tmp_path, line):
    whole = written(tmp_path).splitlines(keepends=True)
    (tmp_path / NAME).write_bytes(b"".join([whole[0], line + b"\n", *whole[1:]]))
    with pytest.raises(JournalError, match="line 2 is not a line of a journal"):
        Journal(tmp_path, JOB)
    assert line in (tmp_path / NAME).read_bytes(), "what cannot be read is left as it is"


@pytest.mark.parametrize("content", [b"somebody's notes", b'{"begun":"' + b"x" * MAX_LINE])
def test_a_file_of_somebody_elses_is_not_cut_off(tmp_path, content):
    (tmp_path / NAME).write_bytes(content)
    with pytest.raises(JournalError, match="line 1 is not a line"):
        Journal(tmp_path, JOB)
    assert (tmp_path / NAME).read_bytes() == content


def test_one_run_at_a_time_and_one_job_a_folder(tmp_path):
    with Journal(tmp_path, JOB), pytest.raises(JournalError, match="another run is at work"):
        Journal(tmp_path, JOB)
    with pytest.raises(JournalError, match=r"another job \(name was d-\{n\}, is e-\{n\}\)"):
        Journal(tmp_path, JOB | {"name": "e-{n}"})
