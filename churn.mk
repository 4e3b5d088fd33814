# Builds, tests and installs a plugin of one file. A Makefile sets two variables and includes this:
#
#   PLUGIN = my_sink          its name, and that of my_sink.c and test_my_sink.c
#   KIND = sink               event, source, processor, store or sink
#   include $(shell pkg-config --variable=makefile churn)
#
# Further: CFLAGS, LDLIBS (libraries of the plugin's own), DESTDIR.
CFLAGS ?= -O2 -g -Wall -Wextra

all: $(PLUGIN).so

# A plugin links nothing of churnd, and shows its entry alone.
$(PLUGIN).so: $(PLUGIN).c
	$(CC) -std=gnu11 -fPIC -fvisibility=hidden $(CPPFLAGS) $(shell pkg-config --cflags churn) $(CFLAGS) $(LDFLAGS) -shared -o $@ $< $(LDLIBS)

test_$(PLUGIN): test_$(PLUGIN).c
	$(CC) -std=gnu11 $(CPPFLAGS) $(shell pkg-config --cflags churn-test) $(CFLAGS) $(LDFLAGS) -o $@ $< \
	  $(shell pkg-config --libs churn-test) -Wl,-rpath,$(shell pkg-config --variable=libdir churn-test)

test: $(PLUGIN).so test_$(PLUGIN)
	./test_$(PLUGIN)

install: $(PLUGIN).so
	install -D -m 644 $< "$(DESTDIR)$(shell pkg-config --variable=plugindir churn)/$(KIND)/$<"

clean:
	rm -f $(PLUGIN).so test_$(PLUGIN)

.PHONY: all test install clean
