"""The report: parsed piece by piece, and opened in a browser where there is one."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from farframe.config import ModelConfig
from farframe.data.clips import ClipWindows
from farframe.data.splits import Segment
from farframe.evaluation.charts import Line, line_chart
from farframe.evaluation.evaluate import evaluate_model
from farframe.evaluation.examples import gallery
from farframe.evaluation.measure import Measuring
from farframe.evaluation.page import write_page
from farframe.evaluation.pictures import Example
from farframe.evaluation.subjects import BASELINES
from farframe.evaluation.table import table
from farframe.evaluation.tally import Curve
from farframe.models.hierarchical import HierarchicalModel
from farframe.types import Prediction
from farframe.video import GIVEN, PREDICTED, pictures
from farframe.worlds.shapes import ShapesSource

CONTEXT, HORIZON, CLIPS = 2, 12, 10
CONFIG = ModelConfig(
    frame_size=32,
    width=2,
    enc_size=4,
    action_dim=0,
    context_frames=CONTEXT,
    encoder="conv",
    pred_cells=3,
    pred_noise_std=1.0,
)
CARD = {
    "name": "",
    "samples": 3,
    "data": {"frame_size": 32, "fps": 10.0},
    "made": {"device": "cpu (x86_64)", "farframe": "0.0"},
}
VOID = {"meta", "img", "input", "path", "polyline", "polygon", "circle", "rect", "br"}


class Page(HTMLParser):
    """Tags and their attributes, in order; every tag that is opened must be closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.texts: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def all(self, tag: str, css: str = "") -> list[dict[str, str]]:
        return [
            a
            for t, a in self.tags
            if t == tag and set(css.split()) <= set(a.get("class", "").split())
        ]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    model = HierarchicalModel(CONFIG).eval()
    source = ShapesSource(clips=CLIPS, length=20, frame_size=32, seed=0)
    parts = [Segment(i, 0, 20) for i in range(CLIPS)]
    windows = ClipWindows(source, parts, CONTEXT + HORIZON)
    indices = windows.spread(CLIPS)
    what = Measuring(baselines=tuple(BASELINES), samples=3, replicates=50, encodings=True)
    evaluation = evaluate_model(
        model,
        windows,
        indices=indices,
        context=CONTEXT,
        horizon=HORIZON,
        batch_size=4,
        judge=source.judge,
        what=what,
    )
    evaluation = replace(evaluation, fvd={"model": [123.4], "oracle": [12.3]})
    shown = gallery(model, windows, indices, evaluation, batch_size=4, samples=3)
    path = tmp_path_factory.mktemp("report") / "report.html"
    title = "runs/<script>alert(1)</script> at step 4: 10 clips of shapes"
    write_page(path, title, evaluation, CARD, table(evaluation), shown)
    return path


@pytest.fixture(scope="module")
def page(report: Path) -> Page:
    return Page(report.read_text("utf-8"))


def test_it_needs_nothing_but_itself(report: Path, page: Page) -> None:
    text = report.read_text("utf-8")
    assert not re.search(r"https?://|@import|url\((?!#)", text)
    for _, attributes in page.tags:
        assert attributes.get("src", "data:").startswith("data:")
        assert "href" not in attributes
    assert len(page.all("script")) == 1  # none out of a title
    assert [path.name for path in report.parent.iterdir()] == ["report.html"]


def test_it_has_all_of_an_evaluation(page: Page) -> None:
    text = " ".join(page.texts)
    for words in ("Over the horizon", "Clips", "Frames side by side", "Numbers", "Protocol card"):
        assert words in text
    assert "runs/<script>alert(1)</script> at step 4" in text
    for words in ("Best clip", "Median clip", "Worst clip", "sample 3", "perfect predictor", "123"):
        assert words in text
    assert len(page.all("tr", "group")) == 9  # psnr, ssim, ..., diversity
    found = json.loads(page.texts[[t.startswith("{") for t in page.texts].index(True)])
    assert found == CARD


def test_charts_have_every_curve(page: Page) -> None:
    panels = [a for a in page.all("div", "panel") if "data-curves" in a]
    assert len(panels) == len(page.all("svg", "chart")) == 9
    [names] = {tuple(css for css, _, _ in json.loads(panels[0]["data-curves"]))}
    assert names == ("model", "model_best", "model_worst", *BASELINES)
    lines = page.all("polyline", "line model")
    assert len(lines) == 9
    assert all(len(line["points"].split()) == HORIZON for line in lines)
    assert len(page.all("polygon", "band model")) == 9


def image(address: str) -> np.ndarray:
    data = base64.b64decode(address.removeprefix("data:image/png;base64,"))
    return np.asarray(Image.open(io.BytesIO(data)))


def test_players_hold_their_frames(page: Page) -> None:
    players, sheets = page.all("div", "player"), page.all("img", "sheet")
    assert len(players) == len(sheets) == 3
    for player, sheet in zip(players, sheets, strict=True):
        times = [int(t) for t in player["data-times"].split(",")]
        assert times == list(range(1 - CONTEXT, HORIZON + 1))
        columns = int(player["data-columns"])
        rows = -(-len(times) // columns)
        assert image(sheet["src"]).shape == (rows * 4 * 32, columns * 32, 3)
    assert len(page.all("canvas")) == 12


def test_a_sheet_holds_each_frame_of_each_panel_where_players_look() -> None:
    source = ShapesSource(clips=1, length=40, frame_size=32, seed=0)
    clip = source.read(0, range(40))
    frames = torch.rand(1, 37, 3, 32, 32)
    masks = torch.rand(1, 37, 1, 32, 32)
    drawn = Prediction(frames, masks, torch.zeros(1, 37, 2), tuple(range(1, 38)))
    example = Example.of("t", "n", clip, drawn, 3, 10.0)
    address, columns = example.sheet()
    sheet = image(address)

    def at(panel: int, i: int) -> np.ndarray:
        y, x = (4 * (i // columns) + panel) * 32, (i % columns) * 32
        return sheet[y : y + 32, x : x + 32]

    truth, predicted = pictures(clip.frames), pictures(frames[0].numpy())
    for i in (0, 2, 3, 25, 39):
        np.testing.assert_array_equal(at(0, i), truth[i])
        expected = truth[i] if i < 3 else predicted[i - 3]
        np.testing.assert_array_equal(at(1, i), expected)
        mask = np.zeros((32, 32, 3)) if i < 3 else pictures(masks[0].numpy())[i - 3]
        np.testing.assert_array_equal(at(2, i), mask)
        apart = np.abs(truth[i].astype(int) - expected).mean(2, keepdims=True)
        np.testing.assert_allclose(at(3, i), apart.repeat(3, 2), atol=0.5)


def test_a_long_horizon_is_shown_in_steps() -> None:
    source = ShapesSource(clips=1, length=1010, frame_size=32, seed=0)
    clip = source.read(0, range(1005))
    drawn = Prediction(
        torch.zeros(1, 1000, 3, 32, 32),
        torch.zeros(1, 1000, 1, 32, 32),
        torch.zeros(1, 1000, 2),
        (),
    )
    times = Example.of("t", "n", clip, drawn, 5, 10.0).times
    assert times[:7] == (-4, -3, -2, -1, 0, 1, 7)
    assert times[-1] == 1000
    assert len(times) < 170


@pytest.mark.parametrize("count", [1, 2, 3, 60, 1000])
@pytest.mark.parametrize("scale", [0.0, 1e-5, 0.3, 1e4])
def test_charts_of_any_length_and_size_stay_in_their_frame(count: int, scale: float) -> None:
    mean = scale * np.sin(np.arange(count)) - scale / 3
    curve = Curve(mean, mean - scale / 10, mean + scale / 10)
    drawn = line_chart("a", [Line("x", "model", curve)])
    svg = Page(drawn)
    [line] = svg.all("polyline")
    xs, ys = np.array([p.split(",") for p in line["points"].split()], float).T
    assert ((xs >= 58) & (xs <= 548)).all()
    assert ((ys >= 14) & (ys <= 264)).all()
    labels = [
        float(t.replace("\N{MINUS SIGN}", "-")) for t in re.findall(r"tick y.*?>(.*?)<", drawn)
    ]
    assert 2 <= len(labels) <= 9
    assert len(set(labels)) == len(labels)
    steps = np.diff(labels)
    np.testing.assert_allclose(steps, steps[0], rtol=1e-6)


BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
FLAGS += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]


def test_it_opens_in_a_browser(report: Path, tmp_path: Path) -> None:
    """Only where Chromium is: every player has drawn its frames, and the page is no blank one."""
    if BROWSER is None:
        pytest.skip("there is no Chromium here")
    command = [BROWSER, *FLAGS, f"--user-data-dir={tmp_path}/profile", "--virtual-time-budget=3000"]
    shot = tmp_path / "shot.png"
    ask = [*command, "--window-size=1200,2900", f"--screenshot={shot}", report.as_uri()]
    subprocess.run(ask, capture_output=True, timeout=120, check=True)
    seen = np.asarray(Image.open(shot).convert("RGB")).reshape(-1, 3)
    red, green = ((seen == colour).all(1).sum() for colour in (PREDICTED, GIVEN))
    assert red > 5000  # borders of three players that have drawn their first predicted frame
    assert green < 100  # as they are before they have
    colours, counts = np.unique(seen, axis=0, return_counts=True)
    assert len(colours) > 50
    assert counts.max() / len(seen) < 0.8
