# SPDX-License-Identifier: GPL-2.0-or-later
#
# make                builds build/vfio-pm and build/libvfiopm.so
# make demo           the main job on an emulated device in the test VM
# make check          all tests; check-fast: those without a VM; soak: at full length
# make install        PREFIX=/usr/local (or prefix=), DESTDIR= for packages
# make module         KDIR=/lib/modules/RELEASE/build: the kernel module
# V=1 shows the commands.

VERSION := 0.1.0
# ABI of the library, counted apart from the project's version.
SOVERSION := 0

PREFIX ?= $(or $(prefix),/usr/local)
BINDIR ?= $(PREFIX)/bin
INCDIR ?= $(PREFIX)/include
LIBDIR ?= $(PREFIX)/lib
MANDIR ?= $(PREFIX)/share/man
UNITDIR ?= $(PREFIX)/lib/systemd/system
BASHCOMPDIR ?= $(PREFIX)/share/bash-completion/completions
ZSHCOMPDIR ?= $(PREFIX)/share/zsh/site-functions
FISHCOMPDIR ?= $(PREFIX)/share/fish/vendor_completions.d
DOCDIR ?= $(PREFIX)/share/doc/vfio-pm

CC ?= cc
PKGCONFIG ?= pkg-config
CFLAGS ?= -O2 -g
WARNINGS := -Wall -Wextra -Wstrict-prototypes -Wmissing-prototypes -Wshadow \
	-Wundef -Wvla -Wwrite-strings -Wformat=2 -Wimplicit-fallthrough \
	-Wno-unused-parameter -Wno-missing-field-initializers
ALL_CPPFLAGS := -D_GNU_SOURCE -DVFIOPM_VERSION='"$(VERSION)"' -Ilib $(CPPFLAGS)
ALL_CFLAGS := -std=gnu11 -fvisibility=hidden $(WARNINGS) $(CFLAGS)
DEPFLAGS = -MMD -MP

BUILD := build
ifneq ($(V),1)
Q := @
say = @printf '  %-7s %s\n' '$(1)' '$(2)'
endif

LIB_PKGS := libudev
CMD_PKGS := libpci smartcols json-c libudev libtracefs
# Only where something is compiled: `make check` on a machine that lacks them
# installs them first.
lib_cflags = $(shell $(PKGCONFIG) --cflags $(LIB_PKGS))
lib_libs = $(shell $(PKGCONFIG) --libs $(LIB_PKGS))
cmd_cflags = $(shell $(PKGCONFIG) --cflags $(CMD_PKGS))
cmd_libs = $(shell $(PKGCONFIG) --libs $(CMD_PKGS))

LIB_SRC := $(sort $(wildcard lib/*.c))
CMD_SRC := $(sort $(wildcard cmd/*.c))
LIB_OBJ := $(LIB_SRC:%.c=$(BUILD)/obj/%.o)
CMD_OBJ := $(CMD_SRC:%.c=$(BUILD)/obj/%.o)
SONAME := libvfiopm.so.$(SOVERSION)

all: $(BUILD)/vfio-pm $(BUILD)/libvfiopm.so $(BUILD)/libvfiopm.a

# Rebuilds everything when the flags change.
FLAGS := $(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) $(LDFLAGS)
$(BUILD)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(subst ','\'',$(FLAGS))' | cmp -s - $@ || echo '$(subst ','\'',$(FLAGS))' > $@
FORCE:

$(BUILD)/obj/lib/%.o: lib/%.c $(BUILD)/flags
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(DEPFLAGS) $(ALL_CPPFLAGS) $(lib_cflags) $(ALL_CFLAGS) -fPIC -c -o $@ $<

$(BUILD)/obj/cmd/%.o: cmd/%.c $(BUILD)/flags
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(DEPFLAGS) $(ALL_CPPFLAGS) $(cmd_cflags) $(ALL_CFLAGS) -c -o $@ $<

$(BUILD)/libvfiopm.a: $(LIB_OBJ)
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(BUILD)/$(SONAME): $(LIB_OBJ) lib/libvfiopm.sym
	$(call say,LD,$@)
	$(Q)$(CC) -shared -Wl,-soname,$(SONAME) -Wl,--version-script,lib/libvfiopm.sym \
		-Wl,--no-undefined $(CFLAGS) $(LDFLAGS) -o $@ $(LIB_OBJ) $(lib_libs)

$(BUILD)/libvfiopm.so: $(BUILD)/$(SONAME)
	$(Q)ln -sf $(SONAME) $@

# The command carries the library in itself: it works from the build folder,
# and a holder's executable is one file.
$(BUILD)/vfio-pm: $(CMD_OBJ) $(BUILD)/libvfiopm.a
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(cmd_libs)

# Writes again what names an installed file when the paths change.
$(BUILD)/paths: FORCE
	@mkdir -p $(@D)
	@echo '$(PREFIX) $(BINDIR) $(LIBDIR) $(INCDIR)' | cmp -s - $@ || \
		echo '$(PREFIX) $(BINDIR) $(LIBDIR) $(INCDIR)' > $@

$(BUILD)/libvfiopm.pc: lib/libvfiopm.pc.in Makefile $(BUILD)/paths
	@mkdir -p $(@D)
	$(Q)sed -e 's|@prefix@|$(PREFIX)|' -e 's|@libdir@|$(LIBDIR)|' -e 's|@includedir@|$(INCDIR)|' \
		-e 's|@version@|$(VERSION)|' $< > $@

# Units name the installed binary.
$(BUILD)/units/%: units/% Makefile $(BUILD)/paths
	@mkdir -p $(@D)
	$(Q)sed -e 's|@bindir@|$(BINDIR)|' $< > $@

MANS := $(wildcard man/*.[1-9])
UNITS := $(wildcard units/*)
HOOKS := $(wildcard examples/hooks/*)
HEADERS := $(wildcard lib/vfiopm/*.h)
install: all $(BUILD)/libvfiopm.pc $(UNITS:%=$(BUILD)/%)
	install -d $(DESTDIR)$(BINDIR) $(DESTDIR)$(INCDIR) $(DESTDIR)$(LIBDIR)/pkgconfig \
		$(DESTDIR)$(UNITDIR) $(DESTDIR)$(BASHCOMPDIR) $(DESTDIR)$(DOCDIR)/hooks
	install -m 755 $(HOOKS) $(DESTDIR)$(DOCDIR)/hooks
	install -m 755 $(BUILD)/vfio-pm $(DESTDIR)$(BINDIR)/vfio-pm
	install -m 644 lib/vfiopm.h $(DESTDIR)$(INCDIR)/vfiopm.h
	install -d $(DESTDIR)$(INCDIR)/vfiopm
	install -m 644 $(HEADERS) $(DESTDIR)$(INCDIR)/vfiopm
	install -m 755 $(BUILD)/$(SONAME) $(DESTDIR)$(LIBDIR)/$(SONAME)
	ln -sf $(SONAME) $(DESTDIR)$(LIBDIR)/libvfiopm.so
	install -m 644 $(BUILD)/libvfiopm.a $(DESTDIR)$(LIBDIR)/libvfiopm.a
	install -m 644 $(BUILD)/libvfiopm.pc $(DESTDIR)$(LIBDIR)/pkgconfig/libvfiopm.pc
	for u in $(notdir $(UNITS)); do \
		install -m 644 $(BUILD)/units/$$u $(DESTDIR)$(UNITDIR)/$$u || exit; done
	for m in $(MANS); do \
		install -D -m 644 $$m $(DESTDIR)$(MANDIR)/man$${m##*.}/$${m#man/} || exit; done
	! [ -e completions/vfio-pm ] || \
		install -m 644 completions/vfio-pm $(DESTDIR)$(BASHCOMPDIR)/vfio-pm
	! [ -e completions/_vfio-pm ] || \
		install -D -m 644 completions/_vfio-pm $(DESTDIR)$(ZSHCOMPDIR)/_vfio-pm
	! [ -e completions/vfio-pm.fish ] || \
		install -D -m 644 completions/vfio-pm.fish $(DESTDIR)$(FISHCOMPDIR)/vfio-pm.fish

uninstall:
	rm -f $(DESTDIR)$(BINDIR)/vfio-pm $(DESTDIR)$(INCDIR)/vfiopm.h \
		$(DESTDIR)$(LIBDIR)/$(SONAME) $(DESTDIR)$(LIBDIR)/libvfiopm.so \
		$(DESTDIR)$(LIBDIR)/libvfiopm.a $(DESTDIR)$(LIBDIR)/pkgconfig/libvfiopm.pc \
		$(DESTDIR)$(BASHCOMPDIR)/vfio-pm $(DESTDIR)$(ZSHCOMPDIR)/_vfio-pm \
		$(DESTDIR)$(FISHCOMPDIR)/vfio-pm.fish
	for h in $(notdir $(HEADERS)); do rm -f $(DESTDIR)$(INCDIR)/vfiopm/$$h; done
	-rmdir $(DESTDIR)$(INCDIR)/vfiopm
	for u in $(notdir $(UNITS)); do rm -f $(DESTDIR)$(UNITDIR)/$$u; done
	for h in $(notdir $(HOOKS)); do rm -f $(DESTDIR)$(DOCDIR)/hooks/$$h; done
	for d in $(DOCDIR)/hooks $(DOCDIR); do rmdir $(DESTDIR)$$d 2>/dev/null || :; done
	for m in $(MANS); do rm -f $(DESTDIR)$(MANDIR)/man$${m##*.}/$${m#man/}; done

# What the binary says of itself goes into completions, vfio-pm.8 and README.md;
# the check "describe" tells when it has to.
generate: all
	completions/generate.sh
	man/generate.sh

clean:
	rm -rf $(BUILD)

-include tests/tests.mk
-include module/module.mk
-include $(LIB_OBJ:.o=.d) $(CMD_OBJ:.o=.d)

.DELETE_ON_ERROR:
.PHONY: all install uninstall generate clean FORCE
