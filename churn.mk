# Builds, tests and installs a plugin of one file, in C or C++; for any other language the Makefile has a rule of its own
# for the .so. A Makefile sets two variables and includes this:
#
#   PLUGIN = my_sink          its name, and that of my_sink.c and test_my_sink.c (or .cc)
#   KIND = sink               event, source, processor, store or sink
#   include $(shell pkg-config --variable=makefile churn)
#
# Further: CFLAGS, CXXFLAGS, LDLIBS (libraries of the plugin's own), DESTDIR.
CFLAGS ?= -O2 -g -Wall -Wextra
CXXFLAGS ?= -O2 -g -Wall -Wextra
churn_folder := $(dir $(lastword $(MAKEFILE_LIST)))
churn_c = $(CC) -std=gnu11 $(CFLAGS)
# g++ means also the members that a designated initialiser leaves out on purpose.
churn_cc = $(CXX) -std=gnu++20 $(CXXFLAGS) -Wno-missing-field-initializers
churn_source = $(firstword $(wildcard $(1).c $(1).cc))
churn_compile = $(churn_$(patsubst .%,%,$(suffix $<))) $(CPPFLAGS) $(shell pkg-config --cflags churn) $(LDFLAGS)

all: $(PLUGIN).so

ifneq ($(call churn_source,$(PLUGIN)),)
# A plugin links nothing of churnd, and shows its entry alone.
$(PLUGIN).so: $(call churn_source,$(PLUGIN))
	$(churn_compile) -fPIC -fvisibility=hidden -shared -Wl,--version-script=$(churn_folder)plugin.map -o $@ $< $(LDLIBS)
endif

test_$(PLUGIN): $(call churn_source,test_$(PLUGIN))
	$(churn_compile) -o $@ $< $(shell pkg-config --libs churn-test) \
	  -Wl,-rpath,$(shell pkg-config --variable=libdir churn-test)

test: $(PLUGIN).so test_$(PLUGIN)
	./test_$(PLUGIN)
	@echo "test_$(PLUGIN): passed"

install: $(PLUGIN).so
	install -D -m 644 $< "$(DESTDIR)$(shell pkg-config --variable=plugindir churn)/$(KIND)/$<"

clean:
	rm -f $(PLUGIN).so test_$(PLUGIN)

.PHONY: all test install clean
