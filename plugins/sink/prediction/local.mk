EXTRA_DIST += %D%/README.md

sink_LTLIBRARIES += plugins/sink/prediction.la
PREDICTION_SERVICE = \
  %D%/answer.c %D%/answer.h \
  %D%/asking.c %D%/asking.h \
  %D%/breaker.c %D%/breaker.h \
  %D%/form.c %D%/form.h \
  %D%/giving_up.c %D%/giving_up.h \
  %D%/outcome.c %D%/outcome.h \
  %D%/kept_hashes.c %D%/kept_hashes.h \
  %D%/reading.c %D%/reading.h \
  %D%/sorting_out.c %D%/sorting_out.h \
  %D%/store_calls.c %D%/store_calls.h \
  %D%/wanted.c %D%/wanted.h \
  %D%/service.c %D%/service.h \
  %D%/service_state.h
PREDICTION_QUEUE_KAFKA = \
  %D%/queue.h \
  %D%/queue_kafka.c \
  %D%/queue_kafka_back.c %D%/queue_kafka_back.h \
  %D%/queue_kafka_commits.c %D%/queue_kafka_commits.h \
  %D%/queue_kafka_conf.c %D%/queue_kafka_conf.h \
  %D%/queue_kafka_front.c %D%/queue_kafka_front.h \
  %D%/queue_kafka_left.c %D%/queue_kafka_left.h \
  %D%/queue_kafka_others.c %D%/queue_kafka_others.h \
  %D%/queue_kafka_partition.c %D%/queue_kafka_partition.h \
  %D%/queue_kafka_state.h
PREDICTION_MODEL = \
  %D%/answer_rows.c %D%/answer_rows.h \
  %D%/model.c %D%/model.h \
  %D%/model_metadata.c %D%/model_metadata.h \
  %D%/model_options.c %D%/model_options.h \
  %D%/request_body.c %D%/request_body.h \
  %D%/request_parts.c %D%/request_parts.h \
  %D%/request_row.c %D%/request_row.h \
  %D%/template.c %D%/template.h \
  $(FEATURES)
PREDICTION_WAITING = %D%/waiting.c %D%/waiting.h $(GROW)
%C%_la_SOURCES = \
  %D%/model_probe.c %D%/model_probe.h \
  %D%/prediction.c \
  %D%/queue_store.c \
  %D%/settings.h \
  $(PREDICTION_MODEL) $(PREDICTION_QUEUE_KAFKA) $(PREDICTION_SERVICE) $(PREDICTION_WAITING) \
  $(KAFKA_PRODUCER) $(HTTP_CLIENT) $(PREDICTION_COMMON)
%C%_la_CFLAGS = $(AM_CFLAGS) $(KAFKA_CFLAGS) $(CURL_CFLAGS) $(JSONC_CFLAGS)
%C%_la_LIBADD = $(KAFKA_LIBS) $(CURL_LIBS) $(JSONC_LIBS)
