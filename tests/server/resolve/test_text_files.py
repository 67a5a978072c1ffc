"""Files of a folder: inside the roots, as git sees them, binaries passed over and counted."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from whichweights.resolve import text_files
from whichweights.resolve.text_files import allowed_roots, read_text_files
from whichweights_schemas.errors import InputTooLarge, InvalidArgument, PathNotAllowed


def put(folder: Path, files: dict[str, str | bytes]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def names(folder: Path, root: Path | None = None) -> list[str]:
    return [file.name for file in read_text_files(str(folder), [root or folder]).files]


FILES: dict[str, str | bytes] = {
    ".gitignore": "*.log\n/build/\n!keep.log\n# a comment\n\\#odd\n",
    "a.py": "x = 1\n",
    "keep.log": "kept",
    "noise.log": "ignored",
    "#odd": "ignored",
    "build/out.txt": "ignored",
    "src/build/in.txt": "not the build folder of the top",
    "src/.gitignore": "secret*\n!secret.ok\n*.tmp\n",
    "src/secret.txt": "ignored",
    "src/secret.ok": "kept",
    "src/deep/x.tmp": "ignored",
    "src/deep/y.md": "kept",
    "src/deep/.gitignore": "!x.keep\n",
    "node/.gitignore": "*\n",
    "node/all.js": "ignored",
    "äö/ü.txt": "umlauts",
}


def test_what_git_ignores_is_left_out(tmp_path: Path):
    put(tmp_path, FILES)
    git = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True, env=git)
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        env=git,
    ).stdout.decode()
    assert sorted(names(tmp_path)) == sorted(filter(None, listed.split("\0")))
    inside = [name.removeprefix("src/") for name in names(tmp_path) if name.startswith("src/")]
    assert sorted(names(tmp_path / "src", tmp_path)) == sorted(inside)


def test_binaries_are_passed_over_and_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    put(
        tmp_path,
        {
            "a.txt": "text",
            "nul.bin": b"abc\0def",
            "latin.txt": "Größe".encode("latin-1"),
            "bom.txt": "\ufeffwith a mark".encode(),
            "large.txt": "x" * 50,
        },
    )
    monkeypatch.setattr(text_files, "MAX_FILE_BYTES", 40)
    found = read_text_files(str(tmp_path), [tmp_path])
    assert [file.text for file in found.files] == ["text", "with a mark"]
    assert (found.binary, found.too_large, found.unreadable, found.skipped) == (2, 1, 0, 3)


def test_a_file_that_was_named_and_is_no_text_is_refused_not_counted_as_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    put(tmp_path, {"nul.bin": b"abc\0def", "latin.txt": b"Gr\xf6\xdfe", "large.txt": "x" * 50})
    monkeypatch.setattr(text_files, "MAX_FILE_BYTES", 40)
    for name in ("nul.bin", "latin.txt"):
        with pytest.raises(InvalidArgument, match="not in UTF-8"):
            read_text_files(str(tmp_path / name), [tmp_path])
    with pytest.raises(InputTooLarge, match="larger than 40 bytes"):
        read_text_files(str(tmp_path / "large.txt"), [tmp_path])


def test_a_folder_that_cannot_be_listed_counts_as_unreadable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    put(tmp_path, {"a.txt": "text", "closed/b.txt": "text"})
    listed = os.scandir

    def guarded(folder: Path):
        if folder.name == "closed":
            raise PermissionError(folder)
        return listed(folder)

    monkeypatch.setattr(text_files.os, "scandir", guarded)
    found = read_text_files(str(tmp_path), [tmp_path])
    assert ([file.name for file in found.files], found.unreadable) == (["a.txt"], 1)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere no such name and no such file")
def test_odd_names_and_kinds_of_files_do_not_break_an_answer(tmp_path: Path):
    (tmp_path / os.fsdecode(b"bad\xff.txt")).write_text("text", encoding="utf-8")
    os.mkfifo(tmp_path / "pipe")
    assert names(tmp_path) == ["bad\N{REPLACEMENT CHARACTER}.txt"]
    with pytest.raises(InvalidArgument, match="neither a file nor a folder"):
        names(tmp_path / "pipe", tmp_path)


def test_links_are_not_followed_and_version_control_not_entered(tmp_path: Path):
    outside = put(tmp_path / "outside", {"secret.txt": "secret"})
    inside = put(tmp_path / "inside", {"a.txt": "text", ".git/config": "x", ".hg/store": "x"})
    (inside / "link").symlink_to(outside)
    (inside / "file").symlink_to(outside / "secret.txt")
    assert names(inside) == ["a.txt"]


@pytest.mark.parametrize("path", ["..", "../other", "inside/../..", "/etc/passwd", "~", "/"])
def test_a_path_outside_the_roots_is_not_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
):
    put(tmp_path / "root" / "inside", {"a.txt": "x"})
    monkeypatch.chdir(tmp_path / "root")
    with pytest.raises(PathNotAllowed) as caught:
        read_text_files(path, None)
    assert caught.value.field == "path"


def test_a_link_out_of_the_root_is_not_allowed(tmp_path: Path):
    root = put(tmp_path / "root", {"a.txt": "x"})
    (root / "out").symlink_to(tmp_path)
    with pytest.raises(PathNotAllowed):
        read_text_files(str(root / "out"), [root])


def test_one_file_is_read_whatever_git_thinks_of_it(tmp_path: Path):
    put(tmp_path, {".gitignore": "*\n", "a.log": "kept"})
    assert names(tmp_path / "a.log", tmp_path) == ["a.log"]


def test_what_does_not_exist_is_named(tmp_path: Path):
    with pytest.raises(InvalidArgument, match="does not exist"):
        read_text_files(str(tmp_path / "none"), [tmp_path])


@pytest.mark.parametrize(("limit", "value"), [("MAX_FILES", 2), ("MAX_TOTAL_BYTES", 5)])
def test_a_folder_beyond_the_limits_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, value: int
):
    put(tmp_path, {f"{number}.txt": "two" for number in range(3)})
    monkeypatch.setattr(text_files, limit, value)
    with pytest.raises(InputTooLarge):
        read_text_files(str(tmp_path), [tmp_path])


def test_by_default_only_a_projects_folder_is_a_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home" / "project").mkdir(parents=True)
    for folder, roots in (
        (tmp_path / "home" / "project", (tmp_path / "home" / "project",)),
        (tmp_path / "home", ()),
        (tmp_path, ()),
        (Path("/"), ()),
    ):
        monkeypatch.chdir(folder)
        assert allowed_roots(None) == roots
    assert allowed_roots(()) == ()
