EXTRA_DIST += %D%/README.md

source_LTLIBRARIES += plugins/source/kafka.la
SOURCE_KAFKA = \
  %D%/assignment.c %D%/assignment.h \
  %D%/bounds.c %D%/bounds.h \
  %D%/client.c %D%/client.h \
  %D%/conf.c %D%/conf.h \
  %D%/group.c %D%/group.h \
  %D%/held.c %D%/held.h \
  %D%/kafka.c \
  %D%/ledger.c %D%/ledger.h \
  %D%/ledger_add.c %D%/ledger_add.h \
  %D%/offsets.c %D%/offsets.h \
  %D%/parts.c %D%/parts.h \
  %D%/records.c %D%/records.h \
  %D%/reread.c %D%/reread.h \
  %D%/source.h \
  %D%/starts.c %D%/starts.h \
  %D%/turns.c %D%/turns.h \
  %D%/unreadable.c %D%/unreadable.h \
  %D%/watch.c %D%/watch.h
%C%_la_SOURCES = $(SOURCE_KAFKA) $(KAFKA_CLIENT)
%C%_la_CPPFLAGS = $(AM_CPPFLAGS) $(FAULT_CPPFLAGS)
%C%_la_CFLAGS = $(AM_CFLAGS) $(KAFKA_CFLAGS)
%C%_la_LIBADD = $(KAFKA_LIBS)
