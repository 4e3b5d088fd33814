source_LTLIBRARIES += plugins/source/file.la
%C%_la_SOURCES = %D%/file.c
