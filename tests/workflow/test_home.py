"""A home for caches: one's own where it can be written, else one in the repository."""

from workflow import home


def test_a_home_that_can_be_written_stays(tmp_path, monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert home.environment()["HOME"] == str(tmp_path)


def test_else_there_is_one_in_the_repository(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("nothing can be made below it, not even by root")
    monkeypatch.setattr(home, "ROOT", tmp_path / "repository")
    for variable in ("HOME", "XDG_CACHE_HOME"):
        with monkeypatch.context() as each:
            each.setenv("HOME", str(tmp_path))
            each.delenv("XDG_CACHE_HOME", raising=False)
            each.setenv(variable, str(tmp_path / "file"))
            found = home.environment()
            assert found["HOME"] == str(tmp_path / "repository/.cache/home") and "XDG_CACHE_HOME" not in found
            assert (tmp_path / "repository/.cache/home").is_dir()
