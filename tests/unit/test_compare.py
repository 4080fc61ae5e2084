"""Evaluations side by side: of one protocol only, and the difference is named."""

from __future__ import annotations

import copy
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from farframe.cli import main
from farframe.evaluation.card import FORMAT, differences
from farframe.evaluation.colours import SUBJECTS
from farframe.evaluation.compare import compare, read_evaluation
from farframe.evaluation.quantities import QUANTITIES


def stored(run: str, psnr: float, **card: Any) -> dict[str, Any]:
    def estimate(mean: float) -> dict[str, float]:
        return {"mean": mean, "low": mean - 1, "high": mean + 1}

    rows = [
        {
            "quantity": name,
            "frames": frames,
            "model": estimate(value),
            "copy_last": estimate(value - 2),
        }
        for name, value in {"psnr": psnr, "ssim": psnr / 100}.items()
        for frames in ("1", "mean 1-20")
    ]
    return {
        "card": {
            "format": FORMAT,
            "name": "",
            "context": 5,
            "horizon": 20,
            "data": {"fingerprint": "f" * 64, "split": "test", "ids": "a" * 64},
            "measures": {name: QUANTITIES[name].meaning for name in ("psnr", "ssim")},
            "features": {},
            "made": {"run": run, "step": 1000, "device": "cpu", "git": run},
        }
        | card,
        "table": rows,
        "curves": {
            "psnr": {
                name: {part: [value] * 20 for part, value in estimate(end).items()}
                for name, end in (("model", psnr), ("copy_last", psnr - 2))
            }
        },
        "confidence_horizon": {"psnr": estimate(12)},
        "fvd": {"model": [312.0]} if psnr > 20 else {},
        "world": {"right": 0.97},
    }


def written(folder: Path, content: object) -> Path:
    (folder / "evaluation").mkdir(parents=True)
    (folder / "evaluation" / "evaluation.json").write_text(json.dumps(content))
    return folder


def shown(*paths: Path) -> str:
    console = Console(width=200, record=True, file=io.StringIO())
    for thing in compare([read_evaluation(path) for path in paths]):
        console.print(thing)
    return console.export_text()


def test_evaluations_of_one_protocol_stand_side_by_side(tmp_path: Path) -> None:
    a = written(tmp_path / "a", stored("runs/a", 24.0))
    b = written(tmp_path / "b", stored("runs/b", 19.5))
    text = shown(a, b / "evaluation", b / "evaluation" / "evaluation.json")
    assert "runs/a (1,000)" in text
    line = next(line for line in text.splitlines() if "mean 1-20" in line)
    row = "mean 1-20 24.00 (23.00..25.00) 19.50 (18.50..20.50) 19.50 (18.50..20.50) 22.00"
    assert line.split() == row.split()
    assert "0.240" in text
    assert "at frame 12 (95 %" in text
    assert "FVD 312.0" in text
    assert "right 97.0%" in text


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"horizon": 30}, "horizon: 20 against 30"),
        (
            {"data": {"fingerprint": "e" * 64, "split": "test", "ids": "a" * 64}},
            r"data\.fingerprint: f{12}\.\.\. against e{12}\.\.\.",
        ),
        ({"measures": {"psnr": "another"}}, r"measures\.psnr: .* against 'another'"),
        ({"samples": 100}, "samples: None against 100"),
    ],
)
def test_other_protocols_are_refused(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    a = written(tmp_path / "a", stored("a", 24.0))
    b = written(tmp_path / "b", stored("b", 24.0, **changes))
    with pytest.raises(ValueError, match=f"not of one protocol, so .* compared: .*{words}"):
        shown(a, b)


def test_what_may_differ(tmp_path: Path) -> None:
    card = stored("a", 24.0)["card"]
    other = copy.deepcopy(card) | {"name": "kth", "made": {"run": "b"}}
    other["measures"] = {"psnr": QUANTITIES["psnr"].meaning, "lpips": "x"}
    other["features"] = {"lpips": {"weights": "w"}}
    assert differences(card, other) == []
    again = copy.deepcopy(other)
    again["features"] = {"lpips": {"weights": "v"}}
    assert differences(other, again) == ["features.lpips.weights: 'w' against 'v'"]


def test_what_is_no_evaluation_is_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"holds no evaluation\.json: run `farframe evaluate`"):
        read_evaluation(tmp_path)
    wrong = {
        "torn": ('{"card": ', "Expecting value"),
        "list": ("[]", "no protocol card"),
        "old": ('{"context": 2}', "no protocol card"),
        "new": ('{"card": {"format": 99}}', f"not of format {FORMAT}"),
        "part": (json.dumps(stored("a", 9.0, made={})), "card.made has no 'run'"),
        "card": ('{"card": 3}', "card is 3: must be an object"),
        "deep": ("[" * 50_000, "deep in each other"),
        "nan": ('{"card": NaN}', "NaN is not a number"),
        "huge": ('{"card": ' + "9" * 5_000 + "}", "4300 digits"),
    }
    for name, (text, words) in wrong.items():
        path = tmp_path / f"{name}.json"
        path.write_text(text)
        with pytest.raises(ValueError, match=f"{name}.json is no evaluation .*{words}.* anew"):
            read_evaluation(path)


def test_curves_are_drawn_into_a_picture(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = (written(tmp_path / name, stored(name, psnr)) for name, psnr in (("a", 24), ("b", 18)))
    chart = tmp_path / "curves.png"
    assert main(["compare", str(a), str(b), "--chart", str(chart)]) == 0
    picture = np.asarray(Image.open(chart).convert("RGB")).astype(int)
    level = {}
    for name in ("model", "oracle", "copy_last"):  # the first's, the second's, and copying's line
        rows, columns = np.nonzero(np.abs(picture - SUBJECTS[name]).sum(2) < 12)
        below = rows[rows > 70]  # under the title and the names
        assert np.ptp(columns[rows > 70]) > 400
        level[name] = np.median(below)
    higher = level["oracle"] - level["model"]
    assert higher > 0
    assert level["copy_last"] - level["model"] == pytest.approx(higher / 3, abs=1.5)
    for end in ("low", "high"):  # as of a few clips
        changed = copy.deepcopy(stored("b", 18))
        changed["curves"]["psnr"]["model"][end] = None
        (b / "evaluation" / "evaluation.json").write_text(json.dumps(changed))
        assert main(["compare", str(a), str(b), "--chart", str(chart)]) == 0
    for mean in ([10**400] * 20, [], [1.0] * 19, "x" * 20, None, [[]] * 20):
        changed["curves"]["psnr"]["model"]["mean"] = mean
        (b / "evaluation" / "evaluation.json").write_text(json.dumps(changed))
        capsys.readouterr()
        assert main(["compare", str(a), str(b), "--chart", str(tmp_path / "no.png")]) == 2
        assert capsys.readouterr().err.count("\n") == 1
        assert not (tmp_path / "no.png").exists()
    before = chart.read_bytes()
    for words, message in {
        "--chart x.gif": "give a name that ends in .png",
        "--chart-of psnr": "give that, too",
        "--chart curves.png --chart-of psnrr": "is psnr meant?",
        "--chart curves.png --chart-of lpips": "has no curve of lpips; it has psnr",
    }.items():
        flags = words.replace("curves.png", str(chart)).split()
        assert main(["compare", str(a), str(b), *flags]) == 2
        captured = capsys.readouterr()
        assert message in captured.err
        assert captured.err.count("\n") == 1
    assert chart.read_bytes() == before
