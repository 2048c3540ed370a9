"""Prints in hexadecimal the records that tests/metrics/tensorboard_test.cpp expects, as TensorBoard's own package
writes them.

    python tests/golden/tensorboard_events.py     # tensorboard 2.21
"""

import io

from tensorboard.compat.proto import event_pb2, summary_pb2, tensor_pb2, tensor_shape_pb2, types_pb2
from tensorboard.summary.writer.record_writer import RecordWriter

Value = summary_pb2.Summary.Value


def scalar(tag, number):
    return Value(tag=tag, simple_value=number)


def image(tag, png, height, width, colorspace):
    content = summary_pb2.Summary.Image(height=height, width=width, colorspace=colorspace, encoded_image_string=png)
    return Value(tag=tag, image=content)


def text(tag, markdown):
    metadata = summary_pb2.SummaryMetadata(plugin_data=summary_pb2.SummaryMetadata.PluginData(plugin_name="text"))
    shape = tensor_shape_pb2.TensorShapeProto(dim=[tensor_shape_pb2.TensorShapeProto.Dim(size=1)])
    tensor = tensor_pb2.TensorProto(dtype=types_pb2.DT_STRING, tensor_shape=shape, string_val=[markdown.encode()])
    return Value(tag=tag, metadata=metadata, tensor=tensor)


def event(step, *values):
    return event_pb2.Event(wall_time=1700000000.25, step=step, summary=summary_pb2.Summary(value=values))


EVENTS = {
    "file_version": event_pb2.Event(wall_time=1700000000.25, file_version="brain.Event:2"),
    "start": event_pb2.Event(wall_time=1700000000.25, step=301,
                             session_log=event_pb2.SessionLog(status=event_pb2.SessionLog.START)),
    "scalars": event(300, scalar("loss", 0.03125), scalar("images", 38400), scalar("lr", 2e-4)),
    "image": event(1000000, image("samples", b"x" * 200, 40, 24, 3)),
    "text": event(0, text("config", "```json\n{}\n```\n")),
}

for name, message in EVENTS.items():
    file = io.BytesIO()
    RecordWriter(file).write(message.SerializeToString(deterministic=True))
    print(name, file.getvalue().hex())
