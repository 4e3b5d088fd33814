store_LTLIBRARIES += plugins/store/lmdb.la
%C%_la_SOURCES = %D%/lmdb.c %D%/pages.c %D%/pages.h $(OWN_FILE)
%C%_la_CFLAGS = $(AM_CFLAGS) $(LMDB_CFLAGS) $(XXHASH_CFLAGS) $(COMMON_CFLAGS)
%C%_la_LIBADD = $(LMDB_LIBS) $(XXHASH_LIBS)
