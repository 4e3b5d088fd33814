EXTRA_DIST += %D%/README.md %D%/page.css %D%/page.js

libcore_la_SOURCES += \
  %D%/access.c \
  %D%/access.h \
  %D%/assets.h \
  %D%/customer_view.c \
  %D%/customer_view.h \
  %D%/figures.c \
  %D%/figures.h \
  %D%/exposition.c \
  %D%/exposition.h \
  %D%/health.c \
  %D%/health.h \
  %D%/history.c \
  %D%/history.h \
  %D%/html.c \
  %D%/html.h \
  %D%/listener.c \
  %D%/listener.h \
  %D%/metrics_page.c \
  %D%/metrics_page.h \
  %D%/lookup.c \
  %D%/lookup.h \
  %D%/page.c \
  %D%/page.h \
  %D%/page_view.c \
  %D%/page_view.h \
  %D%/picture.c \
  %D%/picture.h \
  %D%/places.c \
  %D%/places.h \
  %D%/recent_alerts.c \
  %D%/recent_alerts.h \
  %D%/process.c \
  %D%/process.h \
  %D%/troubles.c \
  %D%/troubles.h \
  %D%/tap_judge.c \
  %D%/tap_judge.h \
  %D%/tap_line.c \
  %D%/tap_line.h \
  %D%/tap_server.c \
  %D%/tap_server.h \
  %D%/view.c \
  %D%/view.h

# The page's files become a part of the program.
nodist_libcore_la_SOURCES = %D%/assets.c
CLEANFILES += %D%/assets.c
%D%/assets.c: $(srcdir)/%D%/page.css $(srcdir)/%D%/page.js $(srcdir)/scripts/embed.sh
	$(AM_V_GEN)$(MKDIR_P) %D% && $(SHELL) $(srcdir)/scripts/embed.sh observe/assets.h css $(srcdir)/%D%/page.css \
	  js $(srcdir)/%D%/page.js >$@.new && mv $@.new $@
