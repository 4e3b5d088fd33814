EXTRA_DIST += %D%/README.md
sink_LTLIBRARIES += plugins/sink/file.la
%C%_la_SOURCES = \
  %D%/file.c \
  %D%/kept.c %D%/kept.h \
  %D%/lock.h \
  plugins/common/stall.h \
  $(GROW) $(OWN_FILE) $(PAUSE) $(TEXT_BUFFER)
%C%_la_CFLAGS = $(AM_CFLAGS) $(COMMON_CFLAGS) $(XXHASH_CFLAGS)
