"""Published copies: found by format, their parts added up."""

from __future__ import annotations

from whichweights.planning.ready_made import files_of_format, repositories_of_format
from whichweights_schemas.models import ModelFile, ModelRelative

GGUF = ModelRelative(id="bart/Some-8B-GGUF", relation="quantized", downloads=900)
MARKED = ModelRelative(id="mrad/Some-8B-i1-GGUF", relation="quantized", downloads=1_000)
AWQ = ModelRelative(id="org/Some-8B-AWQ", relation="quantized", downloads=50, size_bytes=6_000)
TUNED = ModelRelative(id="org/Some-8B-tuned-AWQ", relation="finetuned")
NAMELESS = ModelRelative(id="org/Some-8B-small", relation="quantized")
ROWS = (GGUF, MARKED, AWQ, TUNED, NAMELESS)


def file(path: str, size: int) -> ModelFile:
    return ModelFile(path=path, size_bytes=size)


def test_gguf_repositories_come_by_downloads():
    assert repositories_of_format(ROWS, "Q4_K_M", in_gguf=True) == (MARKED, GGUF)


def test_a_checkpoint_is_told_by_the_name_of_its_repository():
    assert repositories_of_format(ROWS, "AWQ-Int4", in_gguf=False) == (AWQ,)
    assert repositories_of_format(ROWS, "FP8", in_gguf=False) == ()


def test_the_file_of_a_format_has_its_real_size():
    files = [file("Some-8B-Q4_K_S.gguf", 4_000), file("Some-8B-Q4_K_M.gguf", 5_000)]
    found = files_of_format(GGUF, files, "Q4_K_M")
    assert found is not None
    assert (found.file, found.size_bytes, found.parts) == ("Some-8B-Q4_K_M.gguf", 5_000, 1)
    assert (found.publisher, found.downloads, found.imatrix) == ("bart", 900, None)


def test_the_parts_of_a_split_file_are_added_up():
    files = [file(f"Q8_0/Some-8B-Q8_0-0000{n}-of-00003.gguf", n * 10) for n in (3, 1, 2)]
    found = files_of_format(GGUF, files, "Q8_0")
    assert found is not None
    assert (found.size_bytes, found.parts) == (60, 3)
    assert found.file == "Q8_0/Some-8B-Q8_0-00001-of-00003.gguf"


def test_a_missing_part_leaves_the_size_unknown():
    files = [file("Some-8B-Q8_0-00001-of-00002.gguf", 10)]
    found = files_of_format(GGUF, files, "Q8_0")
    assert found is not None
    assert found.size_bytes is None


def test_a_name_that_tells_of_an_imatrix_is_believed():
    found = files_of_format(MARKED, [file("Some-8B.i1-Q4_K_M.gguf", 5)], "Q4_K_M")
    assert found is not None
    assert found.imatrix is True


def test_projectors_and_other_mixes_are_not_the_format():
    files = [file("mmproj-Q4_K_M.gguf", 1), file("Some-8B-UD-Q4_K_M.gguf", 2)]
    assert files_of_format(GGUF, files, "Q4_K_M") is None


def test_a_checkpoint_counts_with_all_its_weight_files():
    files = [file("a.safetensors", 10), file("b.safetensors", 20), file("README.md", 5)]
    found = files_of_format(AWQ, files, "AWQ-Int4")
    assert found is not None
    assert (found.file, found.size_bytes) == (None, 30)
    unlisted = files_of_format(AWQ, (), "AWQ-Int4")
    assert unlisted is not None
    assert unlisted.size_bytes == 6_000
