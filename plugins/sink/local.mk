sink_LTLIBRARIES += %D%/kafka.la %D%/prediction_local.la
%C%_kafka_la_SOURCES = %D%/kafka.c $(KAFKA_PRODUCER)
%C%_kafka_la_CFLAGS = $(AM_CFLAGS) $(KAFKA_CFLAGS)
%C%_kafka_la_LIBADD = $(KAFKA_LIBS)
%C%_prediction_local_la_SOURCES = %D%/prediction_local.c $(SCORING)
%C%_prediction_local_la_CFLAGS = $(AM_CFLAGS) $(COMMON_CFLAGS) $(JSONC_CFLAGS)
%C%_prediction_local_la_LIBADD = $(JSONC_LIBS) -lm
