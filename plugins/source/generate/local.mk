EXTRA_DIST += %D%/README.md

source_LTLIBRARIES += plugins/source/generate.la
%C%_la_SOURCES = \
  %D%/event.c %D%/event.h \
  %D%/fault.c %D%/fault.h \
  %D%/generate.c \
  %D%/plan.c %D%/plan.h \
  %D%/put.c %D%/put.h \
  %D%/random.h \
  %D%/zipf.c %D%/zipf.h \
  $(PAUSE) $(TEXT_BUFFER)
%C%_la_CFLAGS = $(AM_CFLAGS) $(COMMON_CFLAGS)
%C%_la_LIBADD = -lm
