source_LTLIBRARIES += plugins/source/kafka.la
SOURCE_KAFKA = \
  %D%/assignment.c \
  %D%/bounds.c \
  %D%/client.c \
  %D%/conf.c \
  %D%/group.c \
  %D%/held.c \
  %D%/kafka.c \
  %D%/offsets.c \
  %D%/parts.c \
  %D%/records.c \
  %D%/reread.c \
  %D%/source.h \
  %D%/starts.c \
  %D%/turns.c \
  %D%/unreadable.c \
  %D%/watch.c
%C%_la_SOURCES = $(SOURCE_KAFKA) $(KAFKA_CLIENT)
%C%_la_CPPFLAGS = $(AM_CPPFLAGS) $(FAULT_CPPFLAGS)
%C%_la_CFLAGS = $(AM_CFLAGS) $(KAFKA_CFLAGS)
%C%_la_LIBADD = $(RDKAFKA_LIBS)
