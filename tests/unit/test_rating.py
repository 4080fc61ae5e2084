"""`farframe study rating`: the page as a rater's browser sees it, and what its answers come to."""

from __future__ import annotations

import base64
import html
import io
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tiny_run import tiny

from farframe.cli import main
from farframe.run import load
from farframe.studies.rating_answers import Answers, Key
from farframe.studies.rating_page import check_size, sheet
from farframe.studies.rating_result import counted, result
from farframe.training.loop import train

MADE = "--split all --horizon 4 --clips 8 --batch-size 3"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with two checkpoints, and the page on which its newest is judged against the truth."""
    folder = tmp_path_factory.mktemp("rating")
    train(tiny(steps=2, checkpoint_every=1), folder / "run")
    assert main(f"study rating truth {folder}/run --out {folder}/page {MADE}".split()) == 0
    return folder


@pytest.fixture(scope="module")
def key(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "page" / "rating-key.json").read_text())


@pytest.fixture(scope="module")
def text(folder: Path) -> str:
    return (folder / "page" / "rating.html").read_text("utf-8")


def films(text: str, pair: str) -> tuple[np.ndarray, np.ndarray]:
    """Both films of a pair "t h w 3", as the page holds them."""
    [address] = re.findall(rf'id="s{pair}" src="data:image/webp;base64,([^"]+)"', text)
    picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(address))).convert("RGB"))
    cells = picture.reshape(2, 32, 24, 32, 3).transpose(0, 2, 1, 3, 4)[:, :4]
    return cells[0], cells[1]


def test_the_page_holds_every_pair_and_tells_nothing(
    folder: Path, text: str, key: dict[str, Any]
) -> None:
    assert not re.search(r"https?://|@import|url\(", text)
    assert len(re.findall("<img ", text)) == len(key["pairs"]) == 8
    assert all(pair in text for pair in key["pairs"])
    telling = [str(folder), "run", "truth", "model", "checkpoint", "shapes"]
    visible = re.sub(r"base64,[^\"]+|<script>.*?</script>|<style>.*?</style>", "", text, flags=re.S)
    assert not [word for word in telling if re.search(rf"\b{re.escape(word)}\b", visible)]
    firsts = [pair["first"] for pair in key["pairs"].values()]
    assert 0 < firsts.count("a") < 8
    assert len({pair["clip"] for pair in key["pairs"].values()}) == 8
    told = json.loads(re.findall(r'id="told">(.*?)</script>', text)[0])
    assert sorted(told["pairs"]) == sorted(key["pairs"])
    assert told["pairs"] != list(key["pairs"])  # the key is in the order of the clips
    assert key["b"]["step"] == 2
    assert key["a"] == {"name": "truth", "frames": "1-4"}


def test_each_film_is_whose_the_key_says(folder: Path, text: str, key: dict[str, Any]) -> None:
    from farframe.data.source import open_source

    source = open_source(tiny().data, 32)
    at = {recording.id: n for n, recording in enumerate(source.recordings)}
    context = load(folder / "run", device="cpu").config.context_frames
    for pair, who in key["pairs"].items():
        recording, start = who["clip"].rsplit("@", 1)
        wanted = range(int(start) + context, int(start) + context + 4)
        truth = source.read(at[recording], wanted).frames.transpose(0, 2, 3, 1)
        pictures = films(text, pair)
        mine = 0 if who["first"] == "a" else 1
        np.testing.assert_array_equal(pictures[mine], truth)
        assert (pictures[1 - mine] != truth).any()


def test_the_same_again_is_the_same_page(folder: Path, tmp_path: Path, text: str) -> None:
    assert main(f"study rating truth {folder}/run --out {tmp_path} {MADE}".split()) == 0
    assert (tmp_path / "rating.html").read_text("utf-8") == text
    command = f"study rating truth {folder}/run --out {tmp_path} {MADE} --question Which<b>?"
    assert main(command.split()) == 0
    other = (tmp_path / "rating.html").read_text("utf-8")
    assert "Which&lt;b&gt;?" in other
    assert "Which<b>" not in other
    names = [re.findall(r'"page": "(\w+)"', page)[0] for page in (text, other)]
    assert names[0] != names[1]


def test_two_checkpoints_and_other_frames(folder: Path, tmp_path: Path) -> None:
    steps = [f"{folder}/run/checkpoints/step-{n:09d}" for n in (1, 2)]
    command = f"study rating {' '.join(steps)} --out {tmp_path} {MADE}"
    assert main([*command.split(), "--frames-a", "3-4", "--frames-b", "1-2"]) == 0
    key = Key.read(tmp_path)
    assert key.name("a") == f"{steps[0]}, frames 3-4"
    assert [key.content[side]["step"] for side in "ab"] == [1, 2]
    assert key.content["a"]["weights"] != key.content["b"]["weights"]


def test_evaluations_are_judged_on_their_own_clips(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = "--split all --horizon 3 --clips 2"
    for step, name, context in ((1, "e1", 0), (2, "e2", 0), (2, "e3", 3)):
        run = f"{folder}/run/checkpoints/step-{step:09d}"
        command = f"evaluate {run} {options} --context {context} --out {tmp_path}/{name}.json"
        assert main(command.split()) == 0
    pair = f"study rating {tmp_path}/e1.json {tmp_path}"
    assert main(f"{pair}/e2.json --out {tmp_path}/page --clips 2".split()) == 0
    key = json.loads((tmp_path / "page" / "rating-key.json").read_text())
    assert [key[side]["step"] for side in "ab"] == [1, 2]
    assert key["a"]["frames"] == "1-3"
    assert key["data"]["split"] == "all"
    assert main(f"export {folder}/run --out {tmp_path}/model".split()) == 0
    measured = f"evaluate {tmp_path}/model {options} --out {tmp_path}/e4.json"
    assert main(measured.split()) == 0
    assert main(f"{pair}/e4.json --out {tmp_path}/page4 --clips 2".split()) == 0
    key = json.loads((tmp_path / "page4" / "rating-key.json").read_text())
    assert key["b"]["run"] == str(tmp_path / "model")
    shutil.copy(tmp_path / "e4.json", tmp_path / "model" / "evaluation.json")  # as export does
    words = f"study rating truth {tmp_path}/model --data shapes --split all --horizon 3 --clips 2"
    assert main([*words.split(), "--out", str(tmp_path / "page5")]) == 0
    capsys.readouterr()
    assert main(f"{pair}/e3.json --out {tmp_path}/page".split()) == 2
    assert "are not of one protocol" in capsys.readouterr().err
    content = json.loads((tmp_path / "e2.json").read_text())
    content["card"]["made"]["weights"] = "0" * 64
    (tmp_path / "e2.json").write_text(json.dumps(content))
    assert main(f"{pair}/e2.json --out {tmp_path}/page".split()) == 2
    assert "which is there no longer: evaluate the run anew" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("rating", "missing: A, B, --out"),
        ("rating truth truth --out OUT", "both sides are the truth"),
        ("rating truth nowhere --out OUT", "nowhere: there is no such folder"),
        (
            "rating truth RUN --out OUT --frames-a 5-4",
            "must be two frames from 1 to --horizon (60)",
        ),
        ("rating truth RUN --out OUT --frames-b 1-61", "must be two frames from 1 to --horizon"),
        ("rating truth RUN --out OUT --frames-b 1-9", "--frames-a are 60 frames and --frames-b 9"),
        ("rating truth RUN --out OUT --split all", "lower --horizon to"),
        ("rating-result OUT a.json", "give the folder that `farframe study rating` wrote"),
        ("rating-result PAGE", "name files of answers (see farframe study rating-result --help)"),
        ("rating-result PAGE nowhere.json", "nowhere.json: No such file"),
        ("rating-result PAGE PAGE/rating.html", "is no JSON: give the files that raters"),
        ("rating-result PAGE PAGE/rating-key.json", "holds no answers to a rating page"),
        ("rating-result PAGE x.json --out x.txt", "--out is x.txt: must be a .json file"),
    ],
)
def test_mistakes_are_told(
    words: str, said: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = {"RUN": folder / "run", "PAGE": folder / "page", "OUT": tmp_path / "none"}
    for word, path in places.items():
        words = words.replace(word, str(path))
    assert main(["study", *words.split()]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert said.lower() in err.lower()
    assert not (tmp_path / "none").exists()


def test_sheets_hold_each_frame_where_the_page_looks() -> None:
    rng = np.random.default_rng(0)
    both = rng.integers(0, 256, (2, 30, 8, 8, 3), np.uint8)
    address = sheet(both[0], both[1]).removeprefix("data:image/webp;base64,")
    picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(address))).convert("RGB"))
    for side in (0, 1):
        for i in (0, 23, 24, 29):
            y, x = (2 * (i // 24) + side) * 8, (i % 24) * 8
            np.testing.assert_array_equal(picture[y : y + 8, x : x + 8], both[side, i])
    check_size(3048, 64)
    with pytest.raises(ValueError, match=r"3049 frames are more than a page can show of 64x64"):
        check_size(3049, 64)


# -- answers ---------------------------------------------------------------------------------------


def answered(key: dict[str, Any], rater: str, verdicts: str) -> dict[str, Any]:
    """A file of answers in which the pairs, in the key's order, have ``verdicts`` (a, s or b)."""
    answers: list[dict[str, Any]] = []
    for verdict, (pair, who) in zip(verdicts, key["pairs"].items(), strict=True):
        choice = "same" if verdict == "s" else "first" if verdict == who["first"] else "second"
        answers.append({"pair": pair, "choice": choice, "left": "first", "seconds": 1.0})
    return {"format": 1, "page": key["page"], "rater": rater, "answers": answers}


def written(folder: Path, content: dict[str, Any]) -> Path:
    path = folder / f"{content['rater']}.json"
    path.write_text(json.dumps(content))
    return path


def test_percentages_are_those_of_the_answers(
    folder: Path, key: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [
        written(tmp_path, answered(key, "Ann", "aaaaabss")),
        written(tmp_path, answered(key, "Bo", "aaaasbbs")),
    ]
    out = tmp_path / "r.json"
    words = ["study", "rating-result", str(folder / "page"), *map(str, files), "--out", str(out)]
    assert main(words) == 0
    printed = capsys.readouterr().out
    for part in ("A better", "56.2 %", "25.0 %", "18.8 %", "+37.5", "2 raters, 8 pairs each"):
        assert part in printed
    stored = json.loads(out.read_text())
    assert stored["percent"]["a"]["mean"] == 56.25
    assert stored["percent"]["same"]["mean"] == 25
    low, high = stored["percent"]["a"]["low"], stored["percent"]["a"]["high"]
    assert low < 40
    assert high > 75
    assert stored["a"]["name"] == "truth"
    assert result(folder / "page", files).to_json() == stored


def test_intervals_cover_what_was_drawn(key: dict[str, Any], folder: Path) -> None:
    """Verdicts that differ by clip and by rater, drawn anew many times: 95 % should hold."""
    rng, covered, trials = np.random.default_rng(2), 0, 100
    pairs = {f"{n}": {"clip": "c", "first": "a"} for n in range(30)}
    known = Key(folder, key | {"pairs": pairs})
    for _ in range(trials):
        chance = 0.6 + 0.2 * rng.choice([-1, 1], (1, 30)) + 0.1 * rng.choice([-1, 1], (5, 1))
        better = rng.random((5, 30)) < chance
        raters = [
            Answers(f"{r}", {f"{n}": "a" if x else "b" for n, x in enumerate(row)}, 0)
            for r, row in enumerate(better.tolist())
        ]
        share = counted(known, raters, seed=int(rng.integers(1 << 30))).shares["a"]
        assert share.low is not None
        assert share.high is not None
        covered += share.low <= 60 <= share.high
    assert covered / trials > 0.94


def test_one_rater_and_few_pairs(key: dict[str, Any], folder: Path) -> None:
    few = Key(folder, key | {"pairs": dict(list(key["pairs"].items())[:4])})
    rater = Answers("x", dict.fromkeys(few.pairs, "a"), 4)
    found = counted(few, [rater])
    assert (found.shares["a"].mean, found.shares["a"].low, found.left) == (100, None, 100)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"page": "0" * 32}, "these answers are to page 00000000, but"),
        ({"format": 2}, "its format is 2: must be 1"),
        ({"rater": ""}, "must be a name of 1 to 40 letters"),
        ({"rater": "a\nb"}, "must be a name of 1 to 40 letters"),
        ({"answers": []}, "0 of 8 pairs are answered: all must be"),
        ({"answers": [{"pair": "x", "choice": "first", "left": "first"}]}, "has no pair 'x'"),
        ({"answers": None}, "holds no answers"),
        ({"answers": [3]}, "holds no answers"),
    ],
)
def test_answers_to_something_else_are_refused(
    change: dict[str, Any], said: str, key: dict[str, Any], folder: Path, tmp_path: Path
) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps(answered(key, "x", "aaaaaaaa") | change))
    with pytest.raises(ValueError, match=re.escape(said)):
        result(folder / "page", [path])


def test_answers_given_twice_are_refused(key: dict[str, Any], folder: Path, tmp_path: Path) -> None:
    content = answered(key, "x", "aaaaaaaa")
    first = written(tmp_path, content)
    second = tmp_path / "y.json"
    second.write_text(first.read_text())
    with pytest.raises(ValueError, match="are both of rater 'x': give one of them"):
        result(folder / "page", [first, second])
    content["answers"][1] = content["answers"][0]
    with pytest.raises(ValueError, match="is answered twice"):
        result(folder / "page", [written(tmp_path, content)])
    content["answers"][1] = content["answers"][2] | {"choice": "left"}
    with pytest.raises(ValueError, match="has the answer 'left'"):
        result(folder / "page", [written(tmp_path, content)])


# -- in a browser ----------------------------------------------------------------------------------

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
FLAGS += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
DRIVER = """
const log = [], keys = ["ArrowLeft", "ArrowDown", "ArrowRight"];
const press = (key) => document.dispatchEvent(new KeyboardEvent("keydown", { key }));
addEventListener("load", () => {
  document.getElementById("rater").value = "Ann  ";
  document.querySelector("form").requestSubmit();
  press("ArrowLeft"); // too early: nothing must come of it
  const early = Object.keys(answers).length;
  let turned = false;
  const timer = setInterval(() => {
    if (at >= plan.length) {
      clearInterval(timer);
      const out = document.createElement("pre");
      out.id = "driven";
      out.textContent = JSON.stringify({ early, log, text: document.getElementById("text").value });
      document.body.append(out);
    } else if (at === 3 && !turned) { turned = true; press("Backspace"); log.pop();
    } else if (ended && frame < told.count) {
      const shown = {};
      for (const [side, canvas] of Object.entries(canvases)) {
        const data = canvas.getContext("2d").getImageData(0, 0, told.size, told.size).data;
        shown[side] = [...data].filter((_, i) => i % 4 < 3);
      }
      log.push({ ...plan[at], frame, key: keys[at % 3], ...{ at, shown } });
      press(keys[at % 3]);
    }
  }, 20);
});
"""


def test_a_rater_goes_through_it_in_a_browser(
    folder: Path, text: str, key: dict[str, Any], tmp_path: Path
) -> None:
    """Only where Chromium is: keys, the order of sides, the pictures shown, and the answers."""
    if BROWSER is None:
        pytest.skip("there is no Chromium here")
    page = tmp_path / "page.html"
    page.write_text(text.replace("</body>", f"<script>{DRIVER}</script></body>"), "utf-8")
    command = [BROWSER, *FLAGS, f"--user-data-dir={tmp_path}/profile"]
    command += ["--virtual-time-budget=60000", "--dump-dom", page.as_uri()]
    dom = subprocess.run(command, capture_output=True, timeout=120, check=True).stdout.decode()
    [found] = re.findall(r'<pre id="driven">(.*?)</pre>', dom, re.S)
    driven = json.loads(html.unescape(found))
    assert driven["early"] == 0
    log = driven["log"]
    assert [entry["at"] for entry in log] == list(range(8))
    assert sorted(entry["pair"] for entry in log) == sorted(key["pairs"])
    assert [entry["left"] for entry in log].count("first") == 4
    for entry in log:
        first, second = (film[entry["frame"]] for film in films(text, entry["pair"]))
        left, right = (first, second) if entry["left"] == "first" else (second, first)
        for side, picture in {"left": left, "right": right}.items():
            seen = np.array(entry["shown"][side], np.uint8).reshape(32, 32, 3)
            np.testing.assert_array_equal(seen, picture)
    path = tmp_path / "answers.json"
    path.write_text(driven["text"])
    answers = Answers.read(path, Key.read(folder / "page"))
    assert answers.rater == "Ann"
    for entry in log:
        who = key["pairs"][entry["pair"]]["first"]
        left = who if entry["left"] == "first" else "b" if who == "a" else "a"
        right = "b" if left == "a" else "a"
        expected = {"ArrowLeft": left, "ArrowDown": "same", "ArrowRight": right}[entry["key"]]
        assert answers.verdicts[entry["pair"]] == expected
    assert answers.left == 3
