source_LTLIBRARIES += plugins/source/generate.la
%C%_la_SOURCES = %D%/generate.c $(TEXT_BUFFER)
%C%_la_CFLAGS = $(AM_CFLAGS) $(COMMON_CFLAGS)
%C%_la_LIBADD = -lm
