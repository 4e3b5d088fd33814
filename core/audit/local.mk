EXTRA_DIST += %D%/README.md

libcore_la_SOURCES += \
  %D%/audit.c \
  %D%/audit.h \
  %D%/chain.c \
  %D%/chain.h \
  %D%/difference.c \
  %D%/difference.h \
  %D%/trail.c \
  %D%/trail.h \
  %D%/verify.c \
  %D%/verify.h
