EXTRA_DIST += %D%/README.md

libcore_la_SOURCES += \
  %D%/config.c \
  %D%/config.h \
  %D%/node.c \
  %D%/node.h \
  %D%/option.c \
  %D%/option.h \
  %D%/reference.c \
  %D%/reference.h \
  %D%/secret_name.c \
  %D%/secret_name.h \
  %D%/secrets.c \
  %D%/secrets.h \
  %D%/tree.c \
  %D%/tree.h
