EXTRA_DIST += %D%/README.md

libcore_la_SOURCES += \
  %D%/audit_section.c \
  %D%/audit_section.h \
  %D%/forget_section.c \
  %D%/forget_section.h \
  %D%/grants.c \
  %D%/grants.h \
  %D%/health_section.c \
  %D%/health_section.h \
  %D%/host.c \
  %D%/host.h \
  %D%/instance.c \
  %D%/instance.h \
  %D%/load.c \
  %D%/load.h \
  %D%/needs.c \
  %D%/needs.h \
  %D%/pipeline.h \
  %D%/protect_section.c \
  %D%/protect_section.h \
  %D%/raised.c \
  %D%/raised.h \
  %D%/replay.c \
  %D%/replay.h \
  %D%/routing.c \
  %D%/routing.h \
  %D%/section.c \
  %D%/section.h \
  %D%/section_view.c \
  %D%/section_view.h \
  %D%/settings.c \
  %D%/settings.h \
  %D%/stalls.c \
  %D%/stalls.h \
  %D%/tap_socket.c \
  %D%/tap_socket.h \
  %D%/taps.c \
  %D%/taps.h \
  %D%/store_overlay.c \
  %D%/store_overlay.h \
  %D%/stored_profile.c \
  %D%/stored_profile.h \
  %D%/targets.c \
  %D%/targets.h \
  %D%/type_rules.c \
  %D%/type_rules.h
