store_LTLIBRARIES += %D%/lmdb.la
%C%_lmdb_la_SOURCES = %D%/lmdb.c $(LMDB_PAGES) $(OWN_FILE)
%C%_lmdb_la_CFLAGS = $(AM_CFLAGS) $(LMDB_CFLAGS) $(XXHASH_CFLAGS) $(COMMON_CFLAGS)
%C%_lmdb_la_LIBADD = $(LMDB_LIBS) $(XXHASH_LIBS)
