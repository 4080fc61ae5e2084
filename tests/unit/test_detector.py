"""The person detector against a slow reading of darknet's own configuration of it, in numpy."""

from __future__ import annotations

import configparser
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from farframe.evaluation.detector import PersonDetector, iou, suppressed
from farframe.evaluation.yolo import Candidates, Yolo
from farframe.interop.darknet import Conv, read_darknet
from farframe.interop.detector_cache import PERSON_DETECTOR, YOLO_LAYERS

CFG = Path(__file__).parents[1] / "data" / "darknet" / "yolov3-tiny.cfg"
PUBLISHED = 35_434_956  # bytes of yolov3-tiny.weights as its authors distribute it
CPU = torch.device("cpu")


def blocks() -> list[dict[str, str]]:
    """The sections of the configuration in order; darknet repeats their names."""
    text, number = "", 0
    for line in CFG.read_text().splitlines():
        if line.startswith("["):
            number += 1
            line = f"[{number}]\nkind={line[1:-1]}"
        text += line + "\n"
    parser = configparser.ConfigParser()
    parser.read_string(text)
    return [dict(parser[name]) for name in parser.sections()]


def configured() -> list[Conv]:
    """The convolutions that darknet builds of the configuration, channels followed through."""
    widths: list[int] = []
    found: list[Conv] = []
    for block in blocks()[1:]:
        last = widths[-1] if widths else 3
        if block["kind"] == "convolutional":
            norm = block.get("batch_normalize") == "1"
            found.append(Conv(last, int(block["filters"]), int(block["size"]), norm))
            last = found[-1].c_out
        elif block["kind"] == "route":
            places = [int(p) for p in block["layers"].split(",")]
            last = sum(widths[p if p >= 0 else len(widths) + p] for p in places)
        widths.append(last)
    return found


def narrow(width: int = 2) -> tuple[Conv, ...]:
    """The same network with fewer channels; those of its outputs are what they must be."""

    def less(channels: int) -> int:
        return channels if channels in (3, 255) else (4 if channels == 384 else width)

    return tuple(Conv(less(c.c_in), less(c.c_out), c.size, c.norm) for c in YOLO_LAYERS)


def random_file(path: Path, layers: tuple[Conv, ...], header: bytes | None = None) -> None:
    rng = np.random.default_rng(5)
    parts = [header if header is not None else struct.pack("<3iQ", 0, 2, 0, 32013312)]
    for layer in layers:
        for name, shape in layer.parts.items():
            value = rng.normal(size=shape)
            if name == "var":
                value = 0.5 + value**2
            if name == "weight":
                value *= 1.5 / np.sqrt(np.prod(shape[1:]))
            parts.append(value.astype("<f4").tobytes())
    path.write_bytes(b"".join(parts))


class Darknet:
    """The configuration run block by block over one picture, reading the file as it goes."""

    def __init__(self, path: Path, filters: dict[int, int]) -> None:
        self.numbers = np.frombuffer(path.read_bytes()[20:], "<f4").astype(np.float64)
        self.filters = filters

    def take(self, *shape: int) -> np.ndarray:
        count = int(np.prod(shape))
        part, self.numbers = self.numbers[:count], self.numbers[count:]
        return part.reshape(shape)

    def conv(self, x: np.ndarray, block: dict[str, str]) -> np.ndarray:
        wide, size = int(block["filters"]), int(block["size"])
        wide = self.filters.get(wide, wide)
        bias = self.take(wide)[:, None, None]
        norm = block.get("batch_normalize") == "1"
        scale, mean, var = (
            (self.take(wide)[:, None, None] for _ in range(3)) if norm else [None] * 3
        )
        kernel = self.take(wide, len(x), size, size)
        p = size // 2
        padded = np.pad(x, ((0, 0), (p, p), (p, p)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, (size, size), (1, 2))
        out = np.einsum("oikl,ihwkl->ohw", kernel, windows)
        if norm:
            out = (out - mean) / (np.sqrt(var) + 0.000001) * scale
        out = out + bias
        return out if block["activation"] == "linear" else np.where(out > 0, out, 0.1 * out)

    def pool(self, x: np.ndarray, stride: int) -> np.ndarray:
        """Darknet's: a window of two, at the lower and right edge only what is there."""
        rows = range(0, x.shape[1], stride)
        cells = [[x[:, y : y + 2, c : c + 2].max((1, 2)) for c in rows] for y in rows]
        return np.array(cells).transpose(2, 0, 1)

    def run(self, x: np.ndarray) -> list[tuple[np.ndarray, float]]:
        """Box (centre and size in sides of the picture) and score of a person of every cell."""
        side, outputs, found = x.shape[1], list[np.ndarray](), []
        for block in blocks()[1:]:
            if block["kind"] == "convolutional":
                x = self.conv(x, block)
            elif block["kind"] == "maxpool":
                x = self.pool(x, int(block["stride"]))
            elif block["kind"] == "upsample":
                x = x.repeat(2, 1).repeat(2, 2)
            elif block["kind"] == "route":
                x = np.concatenate([outputs[int(p)] for p in block["layers"].split(",")])
            else:
                found += self.read(x, block, side)
            outputs.append(x)
        assert len(self.numbers) == 0
        return found

    def read(
        self, x: np.ndarray, block: dict[str, str], side: int
    ) -> list[tuple[np.ndarray, float]]:
        anchors = np.array(block["anchors"].split(","), float).reshape(-1, 2)
        grid, found = x.shape[1], list[tuple[np.ndarray, float]]()
        shift = block["mask"].startswith("0")  # trained with 1,2,3, whatever it says
        for k, number in enumerate(block["mask"].split(",")):
            for row in range(grid):
                for column in range(grid):
                    n = x[85 * k : 85 * (k + 1), row, column]
                    s = 1 / (1 + np.exp(-n))
                    size = np.exp(n[2:4]) * anchors[int(number) + shift] / side
                    centre = np.array([column + s[0], row + s[1]]) / grid
                    found.append((np.concatenate((centre, size)), s[4] * s[5]))
        return found


def test_the_layers_are_those_of_darknets_configuration() -> None:
    assert tuple(configured()) == YOLO_LAYERS
    numbers = sum(int(np.prod(s)) for layer in YOLO_LAYERS for s in layer.parts.values())
    assert 20 + 4 * numbers == PUBLISHED


def test_it_computes_what_darknet_does(tmp_path: Path) -> None:
    random_file(tmp_path / "w", narrow())
    yolo = Yolo.folded(read_darknet(tmp_path / "w", narrow()), CPU, side=64)
    picture = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    found = yolo(picture)
    fewer = {n: 2 for n in (16, 32, 64, 128, 256, 512, 1024)}
    for n in range(2):
        expected = Darknet(tmp_path / "w", fewer).run(picture[n].double().numpy())
        boxes = np.array([box for box, _ in expected])
        corners = np.concatenate(
            (boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2), 1
        )
        np.testing.assert_allclose(found.boxes[n].numpy(), corners, rtol=1e-3, atol=1e-4)
        people = np.array([score for _, score in expected])
        np.testing.assert_allclose(found.scores[n, :, 0].numpy(), people, rtol=1e-3, atol=1e-5)
        assert np.ptp(people) > 0.01


def test_files_of_weights_are_read_to_their_last_byte(tmp_path: Path) -> None:
    layers, path = narrow(), tmp_path / "w"
    random_file(path, layers)
    whole = read_darknet(path, layers)
    assert whole["conv.12.weight"].shape == (255, 2, 1, 1)
    assert "conv.12.var" not in whole
    random_file(path, layers, struct.pack("<3iI", 0, 1, 0, 7))  # as darknet wrote them before 0.2
    assert all(torch.equal(v, whole[k]) for k, v in read_darknet(path, layers).items())
    data = path.read_bytes()
    for changed, words in [
        (data[:-1], "bytes of weights, but this network has"),
        (data + b"\0\0\0\0", "bytes of weights, but this network has"),
        (data[:10], "is no file of darknet's weights: it has 10 bytes"),
        (b"\x89PNG" + data[4:], "is no file of darknet's weights: its version is"),
        (data[:-4] + struct.pack("<f", float("nan")), "weights that are not finite"),
    ]:
        path.write_bytes(changed)
        with pytest.raises(ValueError, match=words):
            read_darknet(path, layers)
    with pytest.raises(ValueError, match="nowhere can't be read"):
        read_darknet(tmp_path / "nowhere", layers)


# -- people ----------------------------------------------------------------------------------------


def test_of_boxes_that_overlap_the_surest_stays() -> None:
    boxes = torch.tensor(
        [[0, 0, 1, 1], [0, 0, 1, 0.9], [0.5, 0, 1.5, 1], [2, 2, 3, 3], [1, 1, 1, 1]]
    )
    assert iou(boxes[0], boxes[1:]).tolist() == pytest.approx([0.9, 1 / 3, 0, 0])
    scores = torch.tensor([0.5, 0.8, 0.7, 0.9, 0.1])
    assert suppressed(boxes, scores).tolist() == [3, 1, 2, 4]
    assert suppressed(boxes, scores, overlap=0.95).tolist() == [3, 1, 2, 0, 4]
    assert suppressed(boxes[:0], scores[:0]).tolist() == []


def brightness(frames: torch.Tensor) -> Candidates:
    """A stand-in: of two boxes, one is as sure of a person as the frame is bright."""
    scores = torch.zeros(len(frames), 2, 80)
    scores[:, 0, 0] = frames.mean((1, 2, 3))
    scores[:, 1, 0], scores[:, :, 7] = 0.3, 1.0  # a truck, which is nothing to us
    boxes = torch.tensor([[0.1, 0.2, 0.3, 0.4], [0.5, 0.5, 0.9, 0.9]])
    return Candidates(boxes.expand(len(frames), 2, 4), scores)


def test_people_and_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("farframe.evaluation.detector.CHUNK", 3)
    looked: list[int] = []

    def look(frames: torch.Tensor) -> Candidates:
        looked.append(len(frames))
        return brightness(frames)

    detector = PersonDetector(look, "")
    levels = torch.tensor([[0.9, 0.1, 0.5], [0.2, 0.7, 0.8]])
    frames = levels[:, :, None, None, None].expand(2, 3, 3, 8, 8).contiguous()
    assert detector.scores(frames).flatten().tolist() == pytest.approx(
        [0.9, 0.3, 0.5, 0.3, 0.7, 0.8]
    )
    assert looked == [3, 3]
    again = detector.scores(frames[:, 1:2].expand(2, 50, 3, 8, 8))
    assert again.shape == (2, 50)
    assert again[1].tolist() == pytest.approx([0.7] * 50)
    assert looked == [3, 3, 2]  # the same frame again and again is looked at once
    first, second = detector.people(frames[0, :2], least=0.2)
    assert [person.score for person in first] == pytest.approx([0.9, 0.3])
    assert first[0].box == pytest.approx((0.1, 0.2, 0.3, 0.4))
    assert [person.score for person in second] == pytest.approx([0.3])


def test_what_is_missing_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(ValueError, match="run `farframe weights get person-detector`"):
        PersonDetector.load(CPU)
    with pytest.raises(ValueError, match="side is 100: must be a multiple of 32"):
        PersonDetector.load(CPU, side=100)


def test_it_sees_people_and_nobody_in_an_empty_room() -> None:
    """Only where the real weights are; frames of `farframe data make humans`, some without one."""
    if not PERSON_DETECTOR.files[0].path.is_file():
        pytest.skip("needs `farframe weights get person-detector`")
    sheet = np.asarray(Image.open(CFG.parent / "humans.png"))
    people, rooms = sheet.reshape(2, 64, 8, 64, 3).transpose(0, 2, 4, 1, 3)
    detector = PersonDetector.load(CPU)
    frames = torch.from_numpy(np.stack((people, rooms))).float() / 255
    there, empty = detector.scores(frames)
    assert there.mean() > 0.5
    assert empty.max() < 0.1
    found = detector.people(frames[0])
    assert [len(persons) for persons in found] == [1, 0, 1, 1, 1, 1, 0, 1]
    left, top, right, bottom = found[5][0].box  # from head to foot
    assert (left, right) == pytest.approx((0.28, 0.48), abs=0.03)
    assert (top, bottom) == pytest.approx((0.07, 0.88), abs=0.03)
    noise = torch.rand(1, 4, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    assert detector.scores(noise).max() < 0.1
