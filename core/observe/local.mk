EXTRA_DIST += %D%/README.md

libcore_la_SOURCES += \
  %D%/health.c \
  %D%/health.h \
  %D%/listener.c \
  %D%/listener.h
