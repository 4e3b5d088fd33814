EXTRA_DIST += %D%/README.md

source_LTLIBRARIES += plugins/source/file.la
%C%_la_SOURCES = \
  %D%/counted.c %D%/counted.h \
  %D%/file.c \
  %D%/follow.c %D%/follow.h \
  %D%/input.c %D%/input.h \
  %D%/lines.c %D%/lines.h \
  %D%/prefix.c %D%/prefix.h \
  $(PAUSE)
%C%_la_CFLAGS = $(AM_CFLAGS) $(COMMON_CFLAGS) $(XXHASH_CFLAGS)
