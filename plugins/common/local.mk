EXTRA_DIST += %D%/README.md

# What several plugins share: each names the groups that it needs among its own sources.
COMMON_CFLAGS = -I$(top_srcdir)/%D%
# For plugins that talk to Kafka; kafka_producer is for those that write to it.
KAFKA_CFLAGS = $(COMMON_CFLAGS) $(RDKAFKA_CFLAGS) $(OPENSSL_CFLAGS)
KAFKA_LIBS = $(RDKAFKA_LIBS) $(OPENSSL_LIBS)
KAFKA_CLIENT = $(PAUSE) $(TLS_FILES) \
  %D%/kafka_access.c %D%/kafka_access.h \
  %D%/kafka_brokers.c %D%/kafka_brokers.h \
  %D%/kafka_client.c %D%/kafka_client.h \
  %D%/kafka_conf.c %D%/kafka_conf.h \
  %D%/kafka_grants.c %D%/kafka_grants.h \
  %D%/kafka_login.c %D%/kafka_login.h \
  %D%/kafka_property.c %D%/kafka_property.h \
  %D%/kafka_probe.c %D%/kafka_probe.h \
  %D%/kafka_risks.c %D%/kafka_risks.h \
  %D%/kafka_section.c %D%/kafka_section.h \
  %D%/kafka_topic_name.h \
  %D%/loopback.h \
  %D%/stall.h
KAFKA_PRODUCER = $(KAFKA_CLIENT) \
  %D%/kafka_producer.c %D%/kafka_producer.h \
  %D%/kafka_producer_faults.c %D%/kafka_producer_faults.h \
  %D%/kafka_producer_lanes.c %D%/kafka_producer_lanes.h \
  %D%/kafka_producer_resends.c %D%/kafka_producer_resends.h \
  %D%/kafka_producer_state.h \
  %D%/kafka_producer_topics.c %D%/kafka_producer_topics.h
PAUSE = %D%/pause.h
TEXT_BUFFER = %D%/text_buffer.c %D%/text_buffer.h
JSON_NUMBER = %D%/json_number.c %D%/json_number.h
JSON_READ = $(JSON_NUMBER) %D%/json_read.c %D%/json_read.h %D%/counter.h
# Needs TLS_FILES beside it, which KAFKA_CLIENT brings.
HTTP_CLIENT = $(GROW) \
  %D%/backoff.c %D%/backoff.h \
  %D%/http_client.c %D%/http_client.h \
  %D%/http_failure.c %D%/http_failure.h \
  %D%/http_probe.c %D%/http_probe.h \
  %D%/http_settings.c %D%/http_settings.h \
  %D%/http_sockets.c %D%/http_sockets.h \
  %D%/loopback.h \
  %D%/own_thread.h \
  %D%/retry_after.h \
  $(TEXT_BUFFER)
TLS_FILES = %D%/tls_files.c %D%/tls_files.h
FEATURES = \
  %D%/model_features.c %D%/model_features.h \
  %D%/nearest.c %D%/nearest.h
GROW = %D%/grow.h
OWN_FILE = %D%/own_file.h
PAIRS = %D%/pairs.h
STORE_SESSION = %D%/store_session.c %D%/store_session.h %D%/stall.h
SCORING = %D%/scoring.c %D%/scoring.h %D%/own_thread.h $(PREDICTION_COMMON) $(TEXT_BUFFER)
PREDICTION_COMMON = \
  %D%/crossing.c %D%/crossing.h \
  %D%/forgotten.c %D%/forgotten.h \
  %D%/prediction_cache.c %D%/prediction_cache.h \
  %D%/prediction_record.c %D%/prediction_record.h \
  %D%/prediction_results.h \
  %D%/trigger.c %D%/trigger.h \
  $(STORE_SESSION) \
  $(JSON_READ)
