/* FINDS warning leaked_symbols | _Z | -fvisibility=hidden | -fvisibility-inlines-hidden (C++) */
/* GOOD: a pipeline could use it */
#include <churn/event.h>
#include <churn/plugin.h>

#include <string>

/* Built without -fvisibility=hidden, all of this is seen from outside. */
namespace shop
{
std::string name_of(const churn_event &event)
{
    return std::string(event.customer_id.ptr, event.customer_id.len);
}

template <typename T> T twice(T n)
{
    return n + n;
}
} // namespace shop

static const churn_effect effects[] = {
    {"names_length", nullptr, nullptr, "bytes of names", 0, CHURN_PROFILE_INT, CHURN_MERGE_MAX, CHURN_FROM_NOTHING, 0},
};

static int32_t apply(const churn_event *event, churn_delta *delta, churn_error *)
{
    return delta->merge(delta, "names_length", shop::twice(static_cast<int64_t>(shop::name_of(*event).size())));
}

static churn_event_type make_type()
{
    churn_event_type type = {};
    type.size = sizeof type;
    type.effects = effects;
    type.effect_count = 1;
    type.effect_stride = sizeof(churn_effect);
    type.apply = apply;
    return type;
}

static const churn_event_type type = make_type();

CHURN_PLUGIN(.kind = CHURN_KIND_EVENT, .name = "exported_cpp", .version = "1.0.0",
             .summary = "An event type in C++ that shows its insides", .ops = &type);
