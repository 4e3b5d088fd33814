EXTRA_DIST += %D%/README.md

libcore_la_SOURCES += \
  %D%/elf_file.c \
  %D%/elf_file.h \
  %D%/journal.c \
  %D%/journal.h \
  %D%/journal_file.c \
  %D%/journal_file.h \
  %D%/judge.c \
  %D%/judge.h \
  %D%/loader.c \
  %D%/loader.h \
  %D%/plugin_fault.h \
  %D%/plugin_trial.c \
  %D%/plugin_trial.h \
  %D%/role.c \
  %D%/role.h
