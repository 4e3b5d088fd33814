source_LTLIBRARIES += plugins/source/kafka.la
SOURCE_KAFKA = \
  %D%/bounds.c \
  %D%/group.c \
  %D%/kafka.c \
  %D%/offsets.c \
  %D%/records.c \
  %D%/reread.c \
  %D%/source.h \
  %D%/starts.c \
  %D%/turns.c \
  %D%/unreadable.c
%C%_la_SOURCES = $(SOURCE_KAFKA) $(KAFKA_CLIENT)
%C%_la_CPPFLAGS = $(AM_CPPFLAGS) $(FAULT_CPPFLAGS)
%C%_la_CFLAGS = $(AM_CFLAGS) $(KAFKA_CFLAGS)
%C%_la_LIBADD = $(RDKAFKA_LIBS)
