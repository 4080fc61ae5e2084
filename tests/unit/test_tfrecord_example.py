"""Records as protocol buffers: ours against Google's library, in both directions."""

from __future__ import annotations

import struct
from functools import cache
from typing import Any

import numpy as np
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from farframe.data.images import JPEG, PNG
from farframe.data.tfrecord_example import Record, parse_record
from farframe.data.tfrecord_features import RecordError
from farframe.data.tfrecord_file import masked_crc
from farframe.data.tfrecord_serialize import serialize_record


@cache
def example_class() -> Any:
    """tf.train.Example, described anew: TensorFlow's own isn't installed."""
    file = descriptor_pb2.FileDescriptorProto(name="e.proto", package="t", syntax="proto3")
    kinds = {"BytesList": 12, "FloatList": 2, "Int64List": 3}
    for name, kind in kinds.items():
        file.message_type.add(name=name).field.add(name="value", number=1, label=3, type=kind)
    feature = file.message_type.add(name="Feature")
    feature.oneof_decl.add(name="kind")
    for number, name in enumerate(kinds, 1):
        feature.field.add(
            name=name.lower(), number=number, label=1, type=11, type_name=f".t.{name}"
        ).oneof_index = 0
    features = file.message_type.add(name="Features")
    entry = features.nested_type.add(name="FeatureEntry")
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, label=1, type=9)
    entry.field.add(name="value", number=2, label=1, type=11, type_name=".t.Feature")
    features.field.add(
        name="feature", number=1, label=3, type=11, type_name=".t.Features.FeatureEntry"
    )
    example = file.message_type.add(name="Example")
    example.field.add(name="features", number=1, label=1, type=11, type_name=".t.Features")
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("t.Example"))


def record(count: int = 12, robot: bool = True) -> Record:
    rng = np.random.default_rng(0)
    images = [(PNG, JPEG)[i % 2] + rng.bytes(int(rng.integers(0, 70_000))) for i in range(count)]
    return Record(
        tuple(map(memoryview, images)),
        rng.standard_normal((count, 5 * robot)).astype(np.float32),
        rng.standard_normal((count, 12 * robot)).astype(np.float32),
    )


def build(record: Record) -> Any:
    message = example_class()()
    features = message.features.feature
    for i, image in enumerate(record.images):
        features[f"image_{i}"].byteslist.value.append(bytes(image))
        for name, values in (
            ("joint_positions", record.poses[i, :7]),
            ("state", record.poses[i, 7:]),
            ("action", record.actions[i]),
        ):
            if len(values):
                features[f"{name}_{i}"].floatlist.value.extend(values.tolist())
    return message


@pytest.mark.parametrize("robot", [True, False])
def test_google_reads_ours_and_we_read_googles(robot: bool) -> None:
    original = record(robot=robot)
    ours = serialize_record(original)
    theirs = build(original)
    assert example_class().FromString(ours) == theirs
    for payload in (ours, theirs.SerializeToString()):
        found = parse_record(payload)
        assert [bytes(x) for x in found.images] == [bytes(x) for x in original.images]
        for a, b in ((found.poses, original.poses), (found.actions, original.actions)):
            np.testing.assert_array_equal(a, b)


def test_unpacked_floats_unknown_fields_and_repeated_keys() -> None:
    original = record(2)
    message = build(original)
    message.features.feature["note"].int64list.value.extend([1, -1, 2**62])
    message.features.feature["empty"].SetInParent()
    payload = message.SerializeToString()
    # The last of two equal keys counts; fields of other numbers and kinds are passed over.
    other = b"".join(b"\x0d" + struct.pack("<f", x) for x in (1, 2, 3, 4, 5))
    feature = b"\x12" + bytes((len(other),)) + other
    entry = b"\x0a\x08action_1\x12" + bytes((len(feature),)) + feature
    features = b"\x0a" + bytes((len(entry),)) + entry + b"\x10\x05\x19" + bytes(8)
    payload += b"\x0a" + bytes((len(features),)) + features + b"\x7a\x02hi"
    found = parse_record(payload)
    assert found.actions[1].tolist() == [1, 2, 3, 4, 5]
    np.testing.assert_array_equal(found.actions[0], original.actions[0])
    assert example_class().FromString(payload).features.feature["action_1"].floatlist.value == [
        *(1, 2, 3, 4, 5)
    ]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda f: f.pop("image_0"), r"image_0 is missing though image_2 is there"),
        (lambda f: f.pop("image_1"), r"image_1 is missing though image_2 is there"),
        (lambda f: [f.pop(f"image_{i}") for i in range(3)], r"no image_0.*'action_0'"),
        (lambda f: f.pop("state_1"), r"state_1 is missing though other frames"),
        (lambda f: f["action_2"].floatlist.value.append(1), "action_2 holds 6 numbers"),
        (
            lambda f: f["state_2"].floatlist.value.__setitem__(0, np.nan),
            "state_2 holds .*not finite",
        ),
        (lambda f: f["image_1"].byteslist.value.append(PNG), "image_1 holds 2 values"),
        (lambda f: f["image_1"].byteslist.value.pop(), "image_1 holds 0 values"),
        (lambda f: f["image_1"].floatlist.value.append(1), "image_1 holds no bytes"),
        (lambda f: f["state_1"].byteslist.value.append(b"x"), "state_1 holds no floats"),
        (lambda f: f["image_2"].byteslist.value.__setitem__(0, b"BM"), "neither JPEG nor PNG"),
    ],
)
def test_says_what_does_not_fit(spoil: Any, message: str) -> None:
    example = build(record(3))
    spoil(example.features.feature)
    with pytest.raises(RecordError, match=message):
        parse_record(example.SerializeToString())


@pytest.mark.parametrize(
    "payload",
    [
        b"\x0a",  # a length is missing
        b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f" + bytes(9),  # longer than any file
        b"\x0a" + b"\xff" * 20,  # a number without an end
        b"\x0b\x0c",  # groups, which no Example has
        b"\x0a\x03\x0a\x05abc",  # an entry that runs over its message
        b"\x09" + bytes(3),  # eight bytes of which three are there
    ],
)
def test_hostile_bytes_are_refused(payload: bytes) -> None:
    with pytest.raises(RecordError, match=r"no tf\.train\.Example"):
        parse_record(payload)


def test_every_truncation_is_refused_or_read() -> None:
    payload = serialize_record(
        Record((memoryview(PNG),) * 2, np.ones((2, 5), np.float32), np.ones((2, 12), np.float32))
    )
    for end in range(len(payload)):
        with pytest.raises(RecordError):
            parse_record(payload[:end])
    assert len(parse_record(payload).images) == 2


def test_checksum_of_the_standard() -> None:
    # RFC 3720's vectors, masked by TensorFlow's rule.
    for data, crc in ((bytes(32), 0x8A9136AA), (b"\xff" * 32, 0x62A8AB43), (b"", 0)):
        rotated = (crc >> 15 | crc << 17) & 0xFFFFFFFF
        assert masked_crc(data) == (rotated + 0xA282EAD8) % 2**32
