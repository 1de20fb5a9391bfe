"""Verdicts on outputs in both formats, and one line for everything that is no such output."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from dwdp_sim.base.errors import ConfigError
from dwdp_sim.nvbandwidth.__main__ import main
from dwdp_sim.nvbandwidth.harness import artefact_share
from dwdp_sim.nvbandwidth.judge import Verdict, judge, judge_files
from dwdp_sim.nvbandwidth.output import read_output

SAMPLES = Path(__file__).parent / "samples"
GH200, H800, B300 = (str(SAMPLES / name) for name in ("gh200_v0.9.txt", "h800_v0.2.txt", "b300_v0.10.json"))
PAIR, ALL = "device_to_device_memcpy_read_ce", "all_to_one_read_ce"


def row(share: float, loop_count: int = 16, readers: int = 3) -> Verdict:
    return Verdict("run", ALL, readers, loop_count, 700.0 * share, 700.0)


def verdicts(shares: Sequence[tuple[int, float]], readers: int = 3) -> list[str]:
    """The verdict on each of some (loop count, share of a pair)."""
    rows = [row(share, loop_count, readers) for loop_count, share in shares]
    return [judge(one, [other for other in rows if other.loop_count != one.loop_count]).verdict for one in rows]


def as_json(path: Path, matrices: dict[str, list[list[str]]]) -> str:
    testcases = [{"name": name, "status": "Passed", "bandwidth_matrix": matrix} for name, matrix in matrices.items()]
    path.write_text(json.dumps({"nvbandwidth": {"testcases": testcases}}), encoding="utf-8")
    return str(path)


def square(gpus: int, figure: str) -> list[list[str]]:
    return [["N/A" if i == j else figure for j in range(gpus)] for i in range(gpus)]


@pytest.mark.parametrize("file", [GH200, H800])
def test_outputs_of_two_versions_show_the_artefact(file: str) -> None:
    (read,) = [one for one in judge_files([file], [16]) if one.testcase == ALL]
    assert read.readers == {GH200: 3, H800: 7}[file]
    assert read.verdict == "artefact"
    assert read.share == pytest.approx(read.artefact, rel=0.003)


def test_writes_into_one_gpu_lose_nothing() -> None:
    (write,) = [one for one in judge_files([GH200], [16]) if one.testcase == "all_to_one_write_ce"]
    assert (write.verdict, write.why) == ("neither", "nothing is lost")
    assert write.share == pytest.approx(3.0, rel=1e-3)


def test_json_is_read_as_text_is_and_a_row_that_loses_less_than_the_artefact_is_neither() -> None:
    write, read = sorted(judge_files([B300], [16]), key=lambda one: one.testcase, reverse=True)
    assert (read.readers, write.readers) == (6, 6)
    assert (read.gb_per_s, round(read.pair_gb_per_s, 2)) == (703.116, 764.98)
    assert read.verdict == "neither"
    assert "another --loopCount tells" in read.why
    assert write.why == "nothing is lost"


def test_one_loop_count() -> None:
    assert verdicts([(16, artefact_share(3, 16))]) == ["artefact"]
    assert verdicts([(16, 0.80)]) == ["loss"]
    assert verdicts([(16, 0.92)]) == ["neither"]
    assert verdicts([(16, 0.995)]) == ["neither"]


@pytest.mark.parametrize("readers", [2, 3, 7])
def test_the_artefact_fades_with_the_loop_count(readers: int) -> None:
    shares = [(count, artefact_share(readers, count)) for count in (16, 64, 256)]
    assert verdicts(shares, readers) == ["artefact"] * 3


def test_a_loss_stays_even_where_one_loop_count_alone_looks_like_the_artefact() -> None:
    assert verdicts([(16, 0.857), (64, 0.857), (256, 0.857)]) == ["loss"] * 3


def test_some_of_the_warm_ups_are_the_artefact_too_once_two_loop_counts_agree() -> None:
    """Six readers: 9 copies lost of 96 and of 384."""
    assert verdicts([(16, 96 / 105), (64, 384 / 393)], readers=6) == ["artefact"] * 2


def test_more_copies_than_there_are_warm_ups_are_not_the_artefact() -> None:
    assert verdicts([(16, 48 / 72), (64, 192 / 216)]) == ["neither"] * 2


def test_loop_counts_too_near_to_tell_say_so() -> None:
    one = judge(row(artefact_share(3, 16)), [row(artefact_share(3, 17), 17)])
    assert (one.verdict, one.why) == ("neither", "the loop counts are too near to tell")


def test_files_of_several_loop_counts_and_formats_are_judged_together(tmp_path: Path) -> None:
    matrices = {PAIR: square(8, "172.2"), ALL: [[f"{172.2 * artefact_share(7, 64):.2f}"] * 8]}
    longer = as_json(tmp_path / "64.json", matrices)
    assert [one.verdict for one in judge_files([H800, longer], [16, 64])] == ["artefact", "artefact"]
    assert "copies are lost at every loop count" in judge_files([H800, longer], [16, 64])[0].why


def test_zeros_on_the_diagonal_of_old_versions_are_no_pairs(tmp_path: Path) -> None:
    zeros = [["0.00" if figure == "N/A" else figure for figure in line] for line in square(3, "100.0")]
    (one,) = judge_files([as_json(tmp_path / "old.json", {PAIR: zeros, ALL: [["88.9"] * 3]})], [16])
    assert (one.readers, one.pair_gb_per_s, one.verdict) == (2, 100.0, "artefact")


def test_each_matrix_of_a_testcase_has_its_own_name(tmp_path: Path) -> None:
    text = (
        "Running device_to_device_bidirectional_memcpy_read_ce.\n"
        "memcpy CE GPU(row) <-> GPU(column) Read1 bandwidth (GB/s)\n           0         1\n 0       N/A     92.81\n"
        " 1     92.67       N/A\n\nSUM device_to_device_bidirectional_memcpy_read_ce_read1 185.48\n\n"
        "memcpy CE GPU(row) <-> GPU(column) Read2 bandwidth (GB/s)\n           0         1\n 0       N/A     92.68\n"
        " 1     92.80       N/A\n\n&&&& PERF device_to_device_bidirectional_memcpy_read_ce_read2 185.48 +GB/s\n"
    )
    (tmp_path / "both.txt").write_text(text, encoding="utf-8")
    found = read_output(str(tmp_path / "both.txt"))
    assert list(found) == [f"device_to_device_bidirectional_memcpy_read_ce_read{n}" for n in (1, 2)]
    assert found["device_to_device_bidirectional_memcpy_read_ce_read2"] == [[None, 92.68], [92.8, None]]


HEAD = "Running all_to_one_read_ce.\nmemcpy CE\n          0         1\n0    "
FOREIGN: dict[str, bytes] = {
    "empty": b"",
    "a letter": b"Dear Sir,\nRunning late.\n",
    "another tool": b"# nThread 1 nGpus 8 minBytes 8\n   8  2  float  sum  9.85  0.00\n",
    "binary": bytes(range(256)),
    "zeros": b"\0" * 100,
    "other JSON": b'{"rows": []}',
    "JSON of another shape": b'{"nvbandwidth": {"testcases": 3}}',
    "broken JSON": b'{"nvbandwidth": ',
    "deep JSON": b'{"nvbandwidth":' + b"[" * 100_000,
    "NaN": (HEAD + "nan  1.0\n").encode(),
    "infinite": (HEAD + "inf  1.0\n").encode(),
    "negative": (HEAD + "-3.0  1.0\n").encode(),
    "more than any link": (HEAD + "1e308  1.0\n").encode(),
    "a word": (HEAD + "fast  1.0\n").encode(),
    "only sums": b"SUM device_to_device_memcpy_read_ce 9216.17\nSUM all_to_one_read_ce 2634.65\n",
    "no pairs": (HEAD + "88.0  88.0\n\nSUM all_to_one_read_ce 176.0\n").encode(),
}


@pytest.mark.parametrize("content", FOREIGN.values(), ids=FOREIGN)
def test_a_foreign_file_is_one_line_and_exit_code_2(
    content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "output"
    file.write_bytes(content)
    with pytest.raises(SystemExit) as ended:
        main(["judge", str(file)])
    said = capsys.readouterr()
    assert ended.value.code == 2
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert f"output={file}: " in said.err


def test_folders_missing_files_and_huge_ones_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not a regular file"):
        read_output(str(tmp_path))
    with pytest.raises(ConfigError, match="No such file"):
        read_output(str(tmp_path / "missing"))
    huge = tmp_path / "huge"
    with huge.open("wb") as file:
        file.truncate(17 * 2**20)
    with pytest.raises(ConfigError, match="at most 16777216 are read"):
        read_output(str(huge))


def test_only_pairs_are_nothing_to_judge_and_some_pairs_are_not_enough(tmp_path: Path) -> None:
    only = as_json(tmp_path / "only.json", {PAIR: square(2, "1.0")})
    with pytest.raises(ConfigError, match="nothing to judge"):
        judge_files([only], [16])
    some = square(3, "1.0")
    some[0][1] = "N/A"
    with pytest.raises(ConfigError, match="lacks some pairs"):
        judge_files([as_json(tmp_path / "some.json", {PAIR: some, ALL: [["1.0"] * 3]})], [16])


@pytest.mark.parametrize("words", [["0"], ["-1"], ["16", "64", "256"], ["1e3"], ["10000000"], ["x"]])
def test_loop_counts_are_whole_numbers_one_or_one_a_file(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["judge", H800, GH200, "--loop-count", *words])
    assert ended.value.code == 2
    assert "--loop-count" in capsys.readouterr().err


def test_the_commands_print_their_tables(capsys: pytest.CaptureFixture[str]) -> None:
    main(["judge", H800])
    said = capsys.readouterr().out.split()
    assert {"all_to_one_read_ce", "7", "16", "142.1", "0.825", "0.824", "artefact"} <= set(said)
    main(["forecast"])
    said = capsys.readouterr().out.split()
    for share in ("0.889", "0.970", "0.992", "0.857", "0.960", "0.990", "0.824", "0.949", "0.987"):
        assert share in said
    main(["table"])
    assert "median error" in capsys.readouterr().out
