EXTRA_DIST += %D%/README.md

sink_LTLIBRARIES += plugins/sink/alert.la
%C%_la_SOURCES = \
  %D%/alert.c \
  %D%/alert_log.c %D%/alert_log.h \
  %D%/webhook.c %D%/webhook.h \
  $(KAFKA_PRODUCER) $(HTTP_CLIENT) $(JSON_READ)
%C%_la_CFLAGS = $(AM_CFLAGS) $(KAFKA_CFLAGS) $(CURL_CFLAGS) $(JSONC_CFLAGS)
%C%_la_LIBADD = $(KAFKA_LIBS) $(CURL_LIBS) $(JSONC_LIBS)
