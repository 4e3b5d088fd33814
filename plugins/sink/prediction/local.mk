sink_LTLIBRARIES += plugins/sink/prediction.la
%C%_la_SOURCES = \
  %D%/answer.c %D%/answer.h \
  %D%/breaker.c %D%/breaker.h \
  %D%/prediction.c \
  %D%/queue.h \
  %D%/queue_kafka.c \
  %D%/queue_store.c \
  %D%/service.c %D%/service.h \
  %D%/settings.h \
  %D%/waiting.c %D%/waiting.h \
  $(KAFKA_PRODUCER) $(HTTP_CLIENT) $(PREDICTION_COMMON)
%C%_la_CFLAGS = $(AM_CFLAGS) $(KAFKA_CFLAGS) $(CURL_CFLAGS) $(JSONC_CFLAGS)
%C%_la_LIBADD = $(RDKAFKA_LIBS) $(CURL_LIBS) $(JSONC_LIBS)
