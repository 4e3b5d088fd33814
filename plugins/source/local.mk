source_LTLIBRARIES += %D%/file.la %D%/generate.la
%C%_generate_la_SOURCES = %D%/generate.c $(TEXT_BUFFER)
%C%_generate_la_CFLAGS = $(AM_CFLAGS) $(COMMON_CFLAGS)
%C%_generate_la_LIBADD = -lm
