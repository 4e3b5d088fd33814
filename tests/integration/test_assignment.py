"""A source that hands out records of a partition in the very poll in which it assigns it: before the host knows where
reading begins. They are given back and read again, so that none is lost, even when a processor cannot tell about them."""

import json

import pytest
import yaml
from services import run_churnd
from test_build import compile_plugin

SOURCE = r"""
#include <churn/source.h>

enum { RECORDS = 10 }; /* of each partition */

struct source {
    const churn_host *host;
    const churn_source_listener *listener;
    int64_t next[2];
    int assigned;
    char texts[2 * RECORDS][256];
};

static int32_t create(void *self, const churn_host *host, churn_error *err)
{
    (void)err;
    ((struct source *)self)->host = host;
    return CHURN_OK;
}

static int32_t start(void *self, const churn_source_listener *listener, churn_error *err)
{
    (void)err;
    ((struct source *)self)->listener = listener;
    return CHURN_OK;
}

static churn_record make(struct source *s, int partition)
{
    int offset = (int)s->next[partition]++;
    char *text = s->texts[partition * RECORDS + offset];
    int len = snprintf(text, sizeof s->texts[0],
                       "{\"event_id\":\"%d-%d\",\"event_type\":\"login\",\"customer_id\":\"c%d\",\"timestamp\":"
                       "\"2026-01-01T00:00:%02dZ\",\"data\":{\"session_id\":\"s\"}}",
                       partition, offset, offset % 3, offset);
    return (churn_record){.size = sizeof(churn_record),
                          .kind = CHURN_RECORD_EVENT,
                          .value = {.ptr = text, .len = (uint32_t)len},
                          .topic = "eager",
                          .partition = partition,
                          .offset = offset};
}

/* The second partition is assigned when the first has been read. */
static int32_t poll_records(void *self, churn_record *records, uint32_t max, uint32_t timeout_ms, uint32_t *ret_count,
                            churn_error *err)
{
    struct source *s = self;
    (void)timeout_ms;
    (void)err;
    *ret_count = 0;
    if (s->assigned == 0 || (s->assigned == 1 && max > 0 && s->next[0] == RECORDS)) {
        const churn_position position = {.topic = "eager", .partition = s->assigned++};
        s->listener->assigned(s->listener->ctx, &position, 1);
    }
    for (int p = 0; p < s->assigned; p++) {
        while (*ret_count < max && s->next[p] < RECORDS) {
            records[(*ret_count)++] = make(s, p);
        }
    }
    return s->assigned == 2 && max > 0 && s->next[0] == RECORDS && s->next[1] == RECORDS ? CHURN_END
           : *ret_count > 0                                                              ? CHURN_OK
                                                                                         : CHURN_PENDING;
}

static int32_t seek(void *self, const churn_position *to, churn_error *err)
{
    struct source *s = self;
    (void)err;
    churn_log(s->host, CHURN_LOG_INFO, "sought %d to %d", (int)to->partition, (int)to->offset);
    s->next[to->partition] = to->offset;
    return CHURN_OK;
}

static void stop(void *self)
{
    (void)self;
}

static const churn_source_ops ops = {.size = sizeof ops,
                                     .single_worker = 1,
                                     .create = create,
                                     .start = start,
                                     .poll = poll_records,
                                     .seek = seek,
                                     .stop = stop,
                                     .destroy = stop};

CHURN_PLUGIN(.kind = CHURN_KIND_SOURCE, .name = "eager", .version = "1.0.0", .summary = "Assigns and hands out at once.",
             .instance_size = sizeof(struct source), .ops = &ops);
"""

PROCESSOR = r"""
#include <churn/processor.h>

struct processor {
    int asked;
};

static int32_t process(void *self, const churn_event *event, churn_error *err)
{
    struct processor *s = self;
    return event->partition == 1 && event->offset == 0 && s->asked++ == 0
               ? churn_fail(err, CHURN_RETRY, "asked for the first time")
               : CHURN_OK;
}

static int32_t create(void *self, const churn_host *host, churn_error *err)
{
    (void)self;
    (void)host;
    (void)err;
    return CHURN_OK;
}

static void destroy(void *self)
{
    (void)self;
}

static const churn_processor_ops ops = {.size = sizeof ops, .create = create, .process = process, .destroy = destroy};

CHURN_PLUGIN(.kind = CHURN_KIND_PROCESSOR, .name = "hesitant", .version = "1.0.0",
             .summary = "Cannot tell about one event at first.", .instance_size = sizeof(struct processor), .ops = &ops);
"""


@pytest.mark.parametrize("processors", [[], [{"plugin": "hesitant"}]], ids=["no processor", "one that cannot tell"])
def test_records_before_their_place_is_known(tmp_path, processors):
    for name, text in (("eager", SOURCE), ("hesitant", PROCESSOR)):
        (tmp_path / f"{name}.c").write_text(text)
        compile_plugin(tmp_path / f"{name}.c", tmp_path / f"{name}.so")
    (tmp_path / "p.yaml").write_text(
        yaml.safe_dump(
            {
                "source": {"plugin": "eager"},
                "processors": processors,
                "store": {"plugin": "lmdb", "path": str(tmp_path / "store")},
                "sinks": [{"plugin": "file", "path": str(tmp_path / "out.jsonl")}],
                "dead_letters": {"plugin": "file", "path": str(tmp_path / "dead.jsonl")},
            }
        )
    )
    run = run_churnd("run", "-c", tmp_path / "p.yaml", "--plugin-path", tmp_path, "--until-end", check=0, timeout=60)
    assert "sought 1 to 0" in run.stderr, run.stderr
    seen = sorted(json.loads(line)["event_id"] for line in (tmp_path / "out.jsonl").read_text().splitlines())
    assert seen == sorted(f"{p}-{i}" for p in (0, 1) for i in range(10))
