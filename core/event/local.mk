EXTRA_DIST += %D%/README.md

libcore_la_SOURCES += \
  %D%/alert_message.c \
  %D%/alert_message.h \
  %D%/catalog.c \
  %D%/catalog.h \
  %D%/condition.h \
  %D%/condition_eval.c \
  %D%/condition_names.c \
  %D%/condition_names.h \
  %D%/condition_parse.c \
  %D%/condition_terms.c \
  %D%/condition_terms.h \
  %D%/edit.c \
  %D%/edit.h \
  %D%/event.c \
  %D%/event.h \
  %D%/json_scan.cc \
  %D%/json_scan.h \
  %D%/owner.c \
  %D%/owner.h \
  %D%/protect.c \
  %D%/protect.h \
  %D%/registry.c \
  %D%/registry.h \
  %D%/severity.c \
  %D%/severity.h
