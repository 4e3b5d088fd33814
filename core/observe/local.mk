EXTRA_DIST += %D%/README.md

libcore_la_SOURCES += \
  %D%/health.c \
  %D%/health.h \
  %D%/listener.c \
  %D%/listener.h \
  %D%/tap_judge.c \
  %D%/tap_judge.h \
  %D%/tap_line.c \
  %D%/tap_line.h \
  %D%/tap_server.c \
  %D%/tap_server.h
