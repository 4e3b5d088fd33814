processor_LTLIBRARIES += %D%/dedup.la %D%/filter.la
%C%_dedup_la_SOURCES = %D%/dedup.c plugins/common/counter.h $(PAUSE) $(STORE_SESSION) $(TEXT_BUFFER)
%C%_dedup_la_CFLAGS = $(AM_CFLAGS) $(COMMON_CFLAGS) $(XXHASH_CFLAGS)
%C%_filter_la_SOURCES = %D%/filter.c
%C%_filter_la_CFLAGS = $(AM_CFLAGS) $(COMMON_CFLAGS)
