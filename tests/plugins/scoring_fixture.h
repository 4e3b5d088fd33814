/* A sink that scores triggers in the process, with a store in memory: what its tests begin, write and end with. */
#ifndef TESTS_PLUGINS_SCORING_FIXTURE_H
#define TESTS_PLUGINS_SCORING_FIXTURE_H

#include "cunit_main.h"
#include "fake_host.h"
#include "memory_store.h"

#include <churn/sink.h>

static struct fake_host fake;
static struct memory_store store;
static const churn_plugin *plugin;
static void *self;
static char texts[2000][256];

static const churn_sink_ops *ops(void)
{
    return plugin->ops;
}

static void prepare_host(void)
{
    memory_store_init(&store);
    fake_host_init(&fake);
    fake.store = &memory_store_ops;
    fake.store_self = &store;
}

static void end(void)
{
    ops()->stop(self, 1000);
    ops()->destroy(self);
    CU_ASSERT_EQUAL(atomic_load(&store.sessions), 0);
    memory_store_free(&store);
    fake_instance_free(plugin, self);
}

static churn_record trigger(unsigned n, const char *customer, const char *event, const char *timestamp)
{
    (void)snprintf(texts[n], sizeof texts[n],
                   "{\"request_id\":\"r-%s\",\"customer_id\":\"%s\",\"trigger\":{\"event_id\":\"%s\",\"event_type\":"
                   "\"order_placed\",\"timestamp\":\"%s\"}}",
                   event, customer, event, timestamp);
    return (churn_record){.kind = CHURN_RECORD_TRIGGER, .key = str(customer), .value = str(texts[n]), .id = 1000u + n};
}

static uint32_t write_records(const churn_record *records, uint32_t count)
{
    churn_error err = {.size = sizeof err};
    uint32_t taken = 0;
    CU_ASSERT_EQUAL(ops()->write(self, records, count, &taken, &err), CHURN_OK);
    return taken;
}

static uint32_t poll_answers(churn_done *done, uint32_t max)
{
    churn_error err = {.size = sizeof err};
    uint32_t count = 0;
    CU_ASSERT_EQUAL(ops()->poll(self, done, max, 100, &count, &err), CHURN_OK);
    return count;
}

#endif
