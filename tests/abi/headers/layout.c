/* The layout of the plugin ABI on 64-bit machines, member by member: a plugin that was built with these headers once
 * must work for as long as the major version stays. Lines are only added, and the SIZE of a struct changes only with
 * members at its end. */
#include <churn/event.h>
#include <churn/ext/alerts.h>
#include <churn/ext/answers.h>
#include <churn/ext/event_types.h>
#include <churn/ext/forgetting.h>
#include <churn/ext/health.h>
#include <churn/ext/metrics.h>
#include <churn/ext/storage.h>
#include <churn/ext/tap.h>
#include <churn/ext/when.h>
#include <churn/grant.h>
#include <churn/host.h>
#include <churn/ledger.h>
#include <churn/needs.h>
#include <churn/option.h>
#include <churn/plugin.h>
#include <churn/processor.h>
#include <churn/profile.h>
#include <churn/record.h>
#include <churn/result.h>
#include <churn/section.h>
#include <churn/sink.h>
#include <churn/source.h>
#include <churn/store.h>
#include <churn/target.h>
#include <churn/time.h>
#include <stddef.h>

#if defined(__LP64__)
#define SIZE(type, size) _Static_assert(sizeof(type) == (size), #type " changed its size")
#define AT(type, member, offset) _Static_assert(offsetof(type, member) == (offset), #type "." #member " moved")
#define VALUE(name, number) _Static_assert((name) == (number), #name " changed its value")

/* <churn/event.h> */
AT(struct churn_field, name, 0);
AT(struct churn_field, help, 8);
AT(struct churn_field, choices, 16);
AT(struct churn_field, samples, 24);
AT(struct churn_field, min, 32);
AT(struct churn_field, max, 40);
AT(struct churn_field, sample_min, 48);
AT(struct churn_field, sample_max, 56);
AT(struct churn_field, type, 64);
AT(struct churn_field, flags, 68);
SIZE(struct churn_field, 72);
AT(struct churn_value, text, 0);
AT(struct churn_value, number, 16);
AT(struct churn_value, present, 24);
AT(struct churn_value, reserved, 28);
SIZE(struct churn_value, 32);
AT(struct churn_severity_rule, field, 0);
AT(struct churn_severity_rule, equals, 8);
AT(struct churn_severity_rule, severity, 16);
AT(struct churn_severity_rule, reserved, 20);
SIZE(struct churn_severity_rule, 24);
AT(struct churn_event_type, size, 0);
AT(struct churn_event_type, field_stride, 4);
AT(struct churn_event_type, fields, 8);
AT(struct churn_event_type, field_count, 16);
AT(struct churn_event_type, effect_count, 20);
AT(struct churn_event_type, effects, 24);
AT(struct churn_event_type, effect_stride, 32);
AT(struct churn_event_type, derived_count, 36);
AT(struct churn_event_type, derived, 40);
AT(struct churn_event_type, derived_stride, 48);
AT(struct churn_event_type, severity_rule_count, 52);
AT(struct churn_event_type, severity_rules, 56);
AT(struct churn_event_type, severity_rule_stride, 64);
AT(struct churn_event_type, severity, 68);
AT(struct churn_event_type, predicts, 72);
AT(struct churn_event_type, sample_weight, 76);
AT(struct churn_event_type, alert_message, 80);
AT(struct churn_event_type, apply, 88);
SIZE(struct churn_event_type, 96);
AT(struct churn_event, size, 0);
AT(struct churn_event, partition, 4);
AT(struct churn_event, topic, 8);
AT(struct churn_event, offset, 24);
AT(struct churn_event, event_id, 32);
AT(struct churn_event, event_type, 48);
AT(struct churn_event, customer_id, 64);
AT(struct churn_event, timestamp_ms, 80);
AT(struct churn_event, fields, 88);
AT(struct churn_event, values, 96);
AT(struct churn_event, value_count, 104);
AT(struct churn_event, field_stride, 108);
AT(struct churn_event, data, 112);
AT(struct churn_event, payload, 128);
SIZE(struct churn_event, 144);

/* <churn/ext/event_types.h> */
AT(struct churn_event_types, size, 0);
AT(struct churn_event_types, reserved, 4);
AT(struct churn_event_types, count, 8);
AT(struct churn_event_types, at, 16);
SIZE(struct churn_event_types, 24);

/* <churn/ext/health.h> */
AT(struct churn_health, size, 0);
AT(struct churn_health, reserved, 4);
AT(struct churn_health, stalled, 8);
SIZE(struct churn_health, 16);

/* <churn/ext/metrics.h> */
AT(struct churn_metrics, size, 0);
AT(struct churn_metrics, reserved, 4);
AT(struct churn_metrics, counter, 8);
AT(struct churn_metrics, add, 16);
AT(struct churn_metrics, shown, 24);
AT(struct churn_metrics, set, 32);
AT(struct churn_metrics, histogram, 40);
AT(struct churn_metrics, observe, 48);
SIZE(struct churn_metrics, 56);
AT(struct churn_label, name, 0);
AT(struct churn_label, value, 8);
SIZE(struct churn_label, 16);
AT(struct churn_metric, size, 0);
AT(struct churn_metric, kind, 4);
AT(struct churn_metric, name, 8);
AT(struct churn_metric, help, 16);
AT(struct churn_metric, labels, 24);
AT(struct churn_metric, label_count, 32);
AT(struct churn_metric, bound_count, 36);
AT(struct churn_metric, bounds, 40);
AT(struct churn_metric, per_unit, 48);
SIZE(struct churn_metric, 56);

/* <churn/ext/storage.h> */
AT(struct churn_storage, size, 0);
AT(struct churn_storage, reserved, 4);
AT(struct churn_storage, store, 8);
AT(struct churn_storage, profile_key, 16);
AT(struct churn_storage, profile_json, 24);
AT(struct churn_storage, free_text, 32);
AT(struct churn_storage, customer_json, 40);
AT(struct churn_storage, field_at, 48);
AT(struct churn_storage, profile_ttl_ms, 56);
SIZE(struct churn_storage, 64);
AT(struct churn_profile_field, name, 0);
AT(struct churn_profile_field, type, 16);
AT(struct churn_profile_field, reserved, 20);
SIZE(struct churn_profile_field, 24);
AT(struct churn_when_subject, size, 0);
AT(struct churn_when_subject, count, 4);
AT(struct churn_when_subject, customer_id, 8);
AT(struct churn_when_subject, event_id, 24);
AT(struct churn_when_subject, event_type, 40);
AT(struct churn_when_subject, timestamp_ms, 56);
AT(struct churn_when_subject, fields, 64);
AT(struct churn_when_subject, score, 72);
AT(struct churn_when_subject, score_age_ms, 88);
SIZE(struct churn_when_subject, 96);
AT(struct churn_when, size, 0);
AT(struct churn_when, reserved, 4);
AT(struct churn_when, asks, 8);
AT(struct churn_when, holds, 16);
SIZE(struct churn_when, 24);
VALUE(CHURN_WHEN_PROFILE, 1);
VALUE(CHURN_WHEN_SCORE, 2);
VALUE(CHURN_PROFILE_DECIMAL, 6);

/* <churn/ext/forgetting.h> */
AT(struct churn_forgettable, size, 0);
AT(struct churn_forgettable, partition, 4);
AT(struct churn_forgettable, customer_id, 8);
AT(struct churn_forgettable, topic, 24);
AT(struct churn_forgettable, offset, 40);
AT(struct churn_forgettable, timestamp_ms, 48);
SIZE(struct churn_forgettable, 56);
AT(struct churn_forgetting, size, 0);
AT(struct churn_forgetting, reserved, 4);
AT(struct churn_forgetting, known, 8);
AT(struct churn_forgetting, covers, 16);
AT(struct churn_forgetting, adopted, 24);
SIZE(struct churn_forgetting, 32);
/* <churn/ext/alerts.h> */
AT(struct churn_alert, size, 0);
AT(struct churn_alert, severity, 4);
AT(struct churn_alert, event_id, 8);
AT(struct churn_alert, event_type, 24);
AT(struct churn_alert, customer_id, 40);
AT(struct churn_alert, timestamp_ms, 56);
AT(struct churn_alert, message, 64);
AT(struct churn_alert, data, 80);
SIZE(struct churn_alert, 96);
AT(struct churn_alerts, size, 0);
AT(struct churn_alerts, reserved, 4);
AT(struct churn_alerts, heard, 8);
AT(struct churn_alerts, raise, 16);
AT(struct churn_alerts, answers, 24);
SIZE(struct churn_alerts, 32);

/* <churn/ext/answers.h> */
AT(struct churn_answer, size, 0);
AT(struct churn_answer, reserved, 4);
AT(struct churn_answer, churn_probability, 8);
AT(struct churn_answer, risk_level, 24);
AT(struct churn_answer, model_version, 40);
SIZE(struct churn_answer, 56);
AT(struct churn_answers, size, 0);
AT(struct churn_answers, reserved, 4);
AT(struct churn_answers, answer, 8);
SIZE(struct churn_answers, 16);

/* <churn/ext/tap.h> */
VALUE(CHURN_TAP_PREDICTIONS, 1);
VALUE(CHURN_TAP_DEAD_LETTERS, 2);
AT(struct churn_tap, size, 0);
AT(struct churn_tap, reserved, 4);
AT(struct churn_tap, watched, 8);
AT(struct churn_tap, offer, 16);
SIZE(struct churn_tap, 24);

/* <churn/host.h> */
AT(struct churn_host, size, 0);
AT(struct churn_host, worker, 4);
AT(struct churn_host, worker_count, 8);
AT(struct churn_host, until_end, 12);
AT(struct churn_host, ctx, 16);
AT(struct churn_host, pipeline, 24);
AT(struct churn_host, log, 32);
AT(struct churn_host, log_enabled, 40);
AT(struct churn_host, now_ms, 48);
AT(struct churn_host, monotonic_ms, 56);
AT(struct churn_host, get_extension, 64);
AT(struct churn_host, name, 72);
AT(struct churn_host, read_only, 80);
AT(struct churn_host, beside, 84);
SIZE(struct churn_host, 88);

/* <churn/needs.h> */
VALUE(CHURN_NEEDS_CONNECT, 1);
VALUE(CHURN_NEEDS_DISCOVER, 2);
AT(struct churn_needs, size, 0);
AT(struct churn_needs, flags, 4);
AT(struct churn_needs, read_options, 8);
AT(struct churn_needs, write_options, 16);
AT(struct churn_needs, reads, 24);
AT(struct churn_needs, writes, 32);
AT(struct churn_needs, syscalls, 40);
AT(struct churn_needs, discover_options, 48);
SIZE(struct churn_needs, 56);

/* <churn/option.h> */
AT(struct churn_list, items, 0);
AT(struct churn_list, count, 8);
AT(struct churn_list, reserved, 12);
SIZE(struct churn_list, 16);
AT(struct churn_map, keys, 0);
AT(struct churn_map, values, 8);
AT(struct churn_map, count, 16);
AT(struct churn_map, reserved, 20);
SIZE(struct churn_map, 24);
AT(struct churn_node, kind, 0);
AT(struct churn_node, flags, 4);
AT(struct churn_node, count, 8);
AT(struct churn_node, reserved, 12);
AT(struct churn_node, text, 16);
AT(struct churn_node, keys, 24);
AT(struct churn_node, items, 32);
SIZE(struct churn_node, 40);
AT(struct churn_option, name, 0);
AT(struct churn_option, default_text, 8);
AT(struct churn_option, help, 16);
AT(struct churn_option, choices, 24);
AT(struct churn_option, min, 32);
AT(struct churn_option, max, 40);
AT(struct churn_option, type, 48);
AT(struct churn_option, flags, 52);
AT(struct churn_option, offset, 56);
AT(struct churn_option, reserved, 60);
SIZE(struct churn_option, 64);

/* <churn/plugin.h> */
AT(struct churn_plugin, magic, 0);
AT(struct churn_plugin, size, 4);
AT(struct churn_plugin, abi_major, 8);
AT(struct churn_plugin, abi_minor, 10);
AT(struct churn_plugin, kind, 12);
AT(struct churn_plugin, name, 16);
AT(struct churn_plugin, version, 24);
AT(struct churn_plugin, summary, 32);
AT(struct churn_plugin, options, 40);
AT(struct churn_plugin, option_count, 48);
AT(struct churn_plugin, option_stride, 52);
AT(struct churn_plugin, instance_size, 56);
AT(struct churn_plugin, reserved, 60);
AT(struct churn_plugin, ops, 64);
AT(struct churn_plugin, needs, 72);
SIZE(struct churn_plugin, 80);

/* <churn/processor.h> */
AT(struct churn_processor_ops, size, 0);
AT(struct churn_processor_ops, reserved, 4);
AT(struct churn_processor_ops, create, 8);
AT(struct churn_processor_ops, start, 16);
AT(struct churn_processor_ops, process, 24);
AT(struct churn_processor_ops, stop, 32);
AT(struct churn_processor_ops, destroy, 40);
AT(struct churn_processor_ops, announce, 48);
AT(struct churn_processor_ops, transform, 56);
AT(struct churn_processor_ops, checkpoint, 64);
AT(struct churn_processor_ops, forget, 72);
SIZE(struct churn_processor_ops, 80);
AT(struct churn_edit, size, 0);
AT(struct churn_edit, reserved, 4);
AT(struct churn_edit, ctx, 8);
AT(struct churn_edit, set_text, 16);
AT(struct churn_edit, set_number, 24);
AT(struct churn_edit, remove, 32);
AT(struct churn_edit, alert, 40);
SIZE(struct churn_edit, 48);

/* <churn/profile.h> */
AT(struct churn_effect, field, 0);
AT(struct churn_effect, operand, 8);
AT(struct churn_effect, states, 16);
AT(struct churn_effect, help, 24);
AT(struct churn_effect, constant, 32);
AT(struct churn_effect, type, 40);
AT(struct churn_effect, merge, 44);
AT(struct churn_effect, from, 48);
AT(struct churn_effect, reserved, 52);
SIZE(struct churn_effect, 56);
AT(struct churn_derived, field, 0);
AT(struct churn_derived, numerator, 8);
AT(struct churn_derived, denominator, 16);
AT(struct churn_derived, help, 24);
AT(struct churn_derived, kind, 32);
AT(struct churn_derived, decimals, 36);
SIZE(struct churn_derived, 40);
AT(struct churn_delta, size, 0);
AT(struct churn_delta, reserved, 4);
AT(struct churn_delta, ctx, 8);
AT(struct churn_delta, merge, 16);
AT(struct churn_delta, merge_text, 24);
SIZE(struct churn_delta, 32);

/* <churn/record.h> */
AT(struct churn_header, name, 0);
AT(struct churn_header, value, 8);
SIZE(struct churn_header, 24);
AT(struct churn_record, size, 0);
AT(struct churn_record, kind, 4);
AT(struct churn_record, key, 8);
AT(struct churn_record, value, 24);
AT(struct churn_record, timestamp_ms, 40);
AT(struct churn_record, topic, 48);
AT(struct churn_record, offset, 56);
AT(struct churn_record, partition, 64);
AT(struct churn_record, header_count, 68);
AT(struct churn_record, headers, 72);
AT(struct churn_record, id, 80);
AT(struct churn_record, severity, 88);
AT(struct churn_record, reserved, 92);
SIZE(struct churn_record, 96);
AT(struct churn_position, topic, 0);
AT(struct churn_position, offset, 8);
AT(struct churn_position, partition, 16);
AT(struct churn_position, flags, 20);
SIZE(struct churn_position, 24);

/* <churn/result.h> */
AT(struct churn_str, ptr, 0);
AT(struct churn_str, len, 8);
AT(struct churn_str, reserved, 12);
SIZE(struct churn_str, 16);
AT(struct churn_error, size, 0);
AT(struct churn_error, code, 4);
AT(struct churn_error, option, 8);
AT(struct churn_error, message, 72);
SIZE(struct churn_error, 584);

/* <churn/sink.h> */
AT(struct churn_done, id, 0);
AT(struct churn_done, result, 8);
AT(struct churn_done, reserved, 12);
AT(struct churn_done, message, 16);
SIZE(struct churn_done, 24);
AT(struct churn_section, size, 0);
AT(struct churn_section, reserved, 4);
AT(struct churn_section, ctx, 8);
AT(struct churn_section, get, 16);
AT(struct churn_section, each, 24);
AT(struct churn_section, put, 32);
AT(struct churn_section, copy, 40);
SIZE(struct churn_section, 48);

AT(struct churn_read_back, size, 0);
AT(struct churn_read_back, all, 4);
AT(struct churn_read_back, pipeline, 8);
AT(struct churn_read_back, source, 16);
AT(struct churn_read_back, reader, 24);
AT(struct churn_read_back, flags, 32);
AT(struct churn_read_back, reserved, 36);
AT(struct churn_read_back, end, 40);
AT(struct churn_read_back, description, 48);
SIZE(struct churn_read_back, 560);

AT(struct churn_sink_ops, size, 0);
AT(struct churn_sink_ops, accepts, 4);
AT(struct churn_sink_ops, create, 8);
AT(struct churn_sink_ops, start, 16);
AT(struct churn_sink_ops, write, 24);
AT(struct churn_sink_ops, poll, 32);
AT(struct churn_sink_ops, drain, 40);
AT(struct churn_sink_ops, stop, 48);
AT(struct churn_sink_ops, destroy, 56);
AT(struct churn_sink_ops, probe, 64);
AT(struct churn_sink_ops, read_back, 72);
AT(struct churn_sink_ops, grants, 80);
AT(struct churn_sink_ops, judges, 88);
AT(struct churn_sink_ops, reserved, 92);
AT(struct churn_sink_ops, search, 96);
SIZE(struct churn_sink_ops, 104);
AT(struct churn_kept, size, 0);
AT(struct churn_kept, flags, 4);
AT(struct churn_kept, place, 8);
AT(struct churn_kept, at, 16);
AT(struct churn_kept, value, 24);
AT(struct churn_kept, why, 40);
SIZE(struct churn_kept, 48);
VALUE(CHURN_KEPT_HALF, 1);
VALUE(CHURN_JUDGES_PROFILES, 1);

/* <churn/source.h> */
AT(struct churn_source_listener, size, 0);
AT(struct churn_source_listener, reserved, 4);
AT(struct churn_source_listener, ctx, 8);
AT(struct churn_source_listener, assigned, 16);
AT(struct churn_source_listener, revoked, 24);
AT(struct churn_source_listener, passed, 32);
AT(struct churn_source_listener, asks_headers, 40);
AT(struct churn_source_listener, reserved_2, 44);
SIZE(struct churn_source_listener, 48);
AT(struct churn_lag, size, 0);
AT(struct churn_lag, known, 4);
AT(struct churn_lag, messages, 8);
AT(struct churn_lag, total, 16);
SIZE(struct churn_lag, 24);
AT(struct churn_source_ops, size, 0);
AT(struct churn_source_ops, single_worker, 4);
AT(struct churn_source_ops, create, 8);
AT(struct churn_source_ops, start, 16);
AT(struct churn_source_ops, poll, 24);
AT(struct churn_source_ops, commit, 32);
AT(struct churn_source_ops, seek, 40);
AT(struct churn_source_ops, pause, 48);
AT(struct churn_source_ops, lag, 56);
AT(struct churn_source_ops, stop, 64);
AT(struct churn_source_ops, destroy, 72);
AT(struct churn_source_ops, bounds, 80);
AT(struct churn_source_ops, offset_at, 88);
AT(struct churn_source_ops, probe, 96);
AT(struct churn_source_ops, fingerprint, 104);
AT(struct churn_source_ops, resume, 112);
AT(struct churn_source_ops, reread, 120);
AT(struct churn_source_ops, headers, 128);
AT(struct churn_source_ops, topics, 136);
AT(struct churn_source_ops, again, 144);
AT(struct churn_source_ops, apart, 152);
AT(struct churn_source_ops, lags, 160);
AT(struct churn_source_ops, grants, 168);
AT(struct churn_source_ops, writer, 176);
AT(struct churn_source_ops, extents, 184);
AT(struct churn_source_ops, narrow, 192);
AT(struct churn_source_ops, ledger, 200);
SIZE(struct churn_source_ops, 208);

AT(struct churn_ledger_ops, size, 0);
AT(struct churn_ledger_ops, reserved, 4);
AT(struct churn_ledger_ops, read, 8);
AT(struct churn_ledger_ops, add, 16);
AT(struct churn_ledger_ops, probe, 24);
AT(struct churn_ledger_ops, grants, 32);
SIZE(struct churn_ledger_ops, 40);

/* <churn/store.h> */
AT(struct churn_pair, name, 0);
AT(struct churn_pair, value, 16);
SIZE(struct churn_pair, 32);
AT(struct churn_put, size, 0);
AT(struct churn_put, count, 4);
AT(struct churn_put, key, 8);
AT(struct churn_put, expected_version, 24);
AT(struct churn_put, fields, 32);
AT(struct churn_put, id, 40);
AT(struct churn_put, ttl_ms, 48);
AT(struct churn_put, flags, 56);
AT(struct churn_put, reserved, 60);
SIZE(struct churn_put, 64);
AT(struct churn_put_reply, size, 0);
AT(struct churn_put_reply, result, 4);
AT(struct churn_put_reply, id, 8);
AT(struct churn_put_reply, version, 16);
AT(struct churn_put_reply, fields, 24);
AT(struct churn_put_reply, count, 32);
AT(struct churn_put_reply, reserved, 36);
AT(struct churn_put_reply, message, 40);
SIZE(struct churn_put_reply, 48);
AT(struct churn_hash, key, 0);
AT(struct churn_hash, fields, 16);
AT(struct churn_hash, count, 24);
AT(struct churn_hash, reserved, 28);
AT(struct churn_hash, ttl_ms, 32);
SIZE(struct churn_hash, 40);
AT(struct churn_store_ops, size, 0);
AT(struct churn_store_ops, embedded, 4);
AT(struct churn_store_ops, create, 8);
AT(struct churn_store_ops, open, 16);
AT(struct churn_store_ops, put, 24);
AT(struct churn_store_ops, poll, 32);
AT(struct churn_store_ops, get, 40);
AT(struct churn_store_ops, write, 48);
AT(struct churn_store_ops, remove, 56);
AT(struct churn_store_ops, scan, 64);
AT(struct churn_store_ops, close, 72);
AT(struct churn_store_ops, destroy, 80);
AT(struct churn_store_ops, identity, 88);
AT(struct churn_store_ops, flush, 96);
AT(struct churn_store_ops, keys, 104);
AT(struct churn_store_ops, get_many, 112);
AT(struct churn_store_ops, durability, 120);
AT(struct churn_store_ops, probe, 128);
AT(struct churn_store_ops, allowed, 136);
AT(struct churn_store_ops, grants, 144);
SIZE(struct churn_store_ops, 152);

/* <churn/grant.h> */
AT(struct churn_grant, size, 0);
AT(struct churn_grant, flags, 4);
AT(struct churn_grant, system, 8);
AT(struct churn_grant, at, 16);
AT(struct churn_grant, user, 24);
AT(struct churn_grant, resource, 32);
AT(struct churn_grant, name, 40);
AT(struct churn_grant, operation, 48);
AT(struct churn_grant, why, 56);
SIZE(struct churn_grant, 64);
VALUE(CHURN_USE_RUN, 1);
VALUE(CHURN_USE_READ, 2);
VALUE(CHURN_USE_LIST, 4);
VALUE(CHURN_USE_APART, 8);
VALUE(CHURN_USE_ADD, 16);
VALUE(CHURN_GRANT_PREFIX, 1);
VALUE(CHURN_GRANT_SOMETIMES, 2);

/* <churn/target.h> */
AT(struct churn_target, size, 0);
AT(struct churn_target, flags, 4);
AT(struct churn_target, kind, 8);
AT(struct churn_target, name, 16);
AT(struct churn_target, at, 24);
AT(struct churn_target, option, 32);
AT(struct churn_target, message, 40);
AT(struct churn_target, result, 48);
AT(struct churn_target, reserved, 52);
SIZE(struct churn_target, 56);
VALUE(CHURN_TARGET_READS, 1);
VALUE(CHURN_TARGET_WRITES, 2);
VALUE(CHURN_TARGET_AWAITED, 4);
VALUE(CHURN_TARGET_INNER, 8);

/* Constants */
VALUE(CHURN_FIELD_STRING, 1);
VALUE(CHURN_FIELD_INT, 2);
VALUE(CHURN_FIELD_MONEY, 3);
VALUE(CHURN_FIELD_BOOL, 4);
VALUE(CHURN_FIELD_TIME, 5);
VALUE(CHURN_FIELD_REQUIRED, 1);
VALUE(CHURN_FIELD_PII, 2);
VALUE(CHURN_METRIC_COUNTER, 1);
VALUE(CHURN_METRIC_GAUGE, 2);
VALUE(CHURN_METRIC_HISTOGRAM, 3);
VALUE(CHURN_SEVERITY_NONE, 0);
VALUE(CHURN_SEVERITY_INFO, 1);
VALUE(CHURN_SEVERITY_WARNING, 2);
VALUE(CHURN_SEVERITY_CRITICAL, 3);
VALUE(CHURN_LOG_ERROR, 1);
VALUE(CHURN_LOG_WARN, 2);
VALUE(CHURN_LOG_INFO, 3);
VALUE(CHURN_LOG_DEBUG, 4);
VALUE(CHURN_OPTION_STRING, 1);
VALUE(CHURN_OPTION_INT, 2);
VALUE(CHURN_OPTION_DOUBLE, 3);
VALUE(CHURN_OPTION_BOOL, 4);
VALUE(CHURN_OPTION_ENUM, 5);
VALUE(CHURN_OPTION_DURATION, 6);
VALUE(CHURN_OPTION_SIZE, 7);
VALUE(CHURN_OPTION_LIST, 8);
VALUE(CHURN_OPTION_MAP, 9);
VALUE(CHURN_OPTION_TREE, 10);
VALUE(CHURN_NODE_SCALAR, 1);
VALUE(CHURN_NODE_LIST, 2);
VALUE(CHURN_NODE_MAP, 3);
VALUE(CHURN_NODE_QUOTED, 1);
VALUE(CHURN_NODE_NULL, 2);
VALUE(CHURN_OPTION_REQUIRED, 1);
VALUE(CHURN_OPTION_SECRET, 2);
VALUE(CHURN_OPTION_DEPRECATED, 4);
VALUE(CHURN_OPTION_OWN_DEFAULT, 8);
VALUE(CHURN_KIND_EVENT, 1);
VALUE(CHURN_KIND_SOURCE, 2);
VALUE(CHURN_KIND_PROCESSOR, 3);
VALUE(CHURN_KIND_STORE, 4);
VALUE(CHURN_KIND_SINK, 5);
VALUE(CHURN_PROFILE_INT, 1);
VALUE(CHURN_PROFILE_MONEY, 2);
VALUE(CHURN_PROFILE_TIME, 3);
VALUE(CHURN_PROFILE_STRING, 4);
VALUE(CHURN_PROFILE_STATE, 5);
VALUE(CHURN_MERGE_ADD, 1);
VALUE(CHURN_MERGE_MIN, 2);
VALUE(CHURN_MERGE_MAX, 3);
VALUE(CHURN_MERGE_LATEST, 4);
VALUE(CHURN_FROM_CONSTANT, 1);
VALUE(CHURN_FROM_FIELD, 2);
VALUE(CHURN_FROM_EVENT_TIME, 3);
VALUE(CHURN_FROM_EVENT_TYPE, 4);
VALUE(CHURN_FROM_NOTHING, 5);
VALUE(CHURN_DERIVE_RATIO, 1);
VALUE(CHURN_DERIVE_PER_DAY, 2);
VALUE(CHURN_READ_BACK_LINES, 1);
VALUE(CHURN_READ_BACK_STAYS, 2);
VALUE(CHURN_RECORD_EVENT, 1);
VALUE(CHURN_RECORD_TRIGGER, 2);
VALUE(CHURN_RECORD_ALERT, 4);
VALUE(CHURN_RECORD_DEAD_LETTER, 8);
VALUE(CHURN_RECORD_UNREADABLE, 16);
VALUE(CHURN_POSITION_RESUMED, 1);
VALUE(CHURN_POSITION_WHOLE, 2);
VALUE(CHURN_OK, 0);
VALUE(CHURN_END, 1);
VALUE(CHURN_PENDING, 2);
VALUE(CHURN_DROP, 3);
VALUE(CHURN_CONFLICT, 4);
VALUE(CHURN_RETRY, -1);
VALUE(CHURN_REJECT, -2);
VALUE(CHURN_FATAL, -3);
VALUE(CHURN_PLUGIN_MAGIC, 0x4e525543u);
VALUE(CHURN_ABI_MAJOR, 1);
VALUE(CHURN_ERROR_MESSAGE_SIZE, 512);
VALUE(CHURN_ERROR_OPTION_SIZE, 64);
VALUE(CHURN_FINGERPRINT_SIZE, 128);
VALUE(CHURN_IDENTITY_SIZE, 128);
VALUE(CHURN_PUT_READ, 1);
VALUE(CHURN_TIME_SIZE, 25);
VALUE(CHURN_TIME_DAY_MS, 86400000);
#endif

int main(void)
{
    return 0;
}
