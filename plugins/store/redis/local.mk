store_LTLIBRARIES += plugins/store/redis.la
%C%_la_SOURCES = %D%/redis.c
%C%_la_CFLAGS = $(AM_CFLAGS) $(HIREDIS_CFLAGS)
%C%_la_LIBADD = $(HIREDIS_LIBS)
