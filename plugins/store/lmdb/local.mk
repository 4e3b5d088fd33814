EXTRA_DIST += %D%/README.md

store_LTLIBRARIES += plugins/store/lmdb.la
%C%_la_SOURCES = \
  %D%/arena.c %D%/arena.h \
  %D%/errors.c %D%/errors.h \
  %D%/files.c %D%/files.h \
  %D%/keys.c %D%/keys.h \
  %D%/layout.h \
  %D%/lmdb.c \
  %D%/metas.c %D%/metas.h \
  %D%/opening.c %D%/opening.h \
  %D%/page.c %D%/page.h \
  %D%/pages.c %D%/pages.h \
  %D%/puts.c %D%/puts.h \
  %D%/reading.c %D%/reading.h \
  %D%/record.c %D%/record.h \
  %D%/session.c %D%/session.h \
  %D%/settings.h \
  %D%/sweep.c %D%/sweep.h \
  %D%/transactions.c %D%/transactions.h \
  %D%/writing.c %D%/writing.h \
  $(GROW) $(OWN_FILE) $(PAIRS)
%C%_la_CFLAGS = $(AM_CFLAGS) $(LMDB_CFLAGS) $(XXHASH_CFLAGS) $(COMMON_CFLAGS)
%C%_la_LIBADD = $(LMDB_LIBS) $(XXHASH_LIBS)
