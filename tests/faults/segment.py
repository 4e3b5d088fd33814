"""Kafka's log files from outside: where batches of records lie in a segment, so that a test can damage one."""

import struct

HEADER = struct.Struct(">qiibIhi")  # base offset, length, leader epoch, magic, CRC, attributes, last offset's delta


def batches(data):
    """(first offset, last offset, start, end) of each batch of a segment's bytes."""
    at = 0
    while at + HEADER.size <= len(data):
        base, length, _, _, _, _, delta = HEADER.unpack_from(data, at)
        if length <= 0:
            return
        yield base, base + delta, at, at + 12 + length
        at += 12 + length


def path_of(kafka, topic, partition=0):
    """Of the first segment of a partition; what was written is there only once the broker has ended."""
    return kafka.folder / "data" / f"{topic}-{partition}" / "00000000000000000000.log"


def rewrite(kafka, topic, offset, change, partition=0):
    """`change` gets the bytes of the batch that holds `offset` and returns as many. Returns its first and last offset."""
    path = path_of(kafka, topic, partition)
    data = path.read_bytes()
    first, last, start, end = next(b for b in batches(data) if b[0] <= offset <= b[1])
    changed = change(data[start:end])
    assert len(changed) == end - start and changed != data[start:end]
    path.write_bytes(data[:start] + changed + data[end:])
    return first, last
