# SPDX-License-Identifier: GPL-2.0-only
#
# make module          build/module/RELEASE/vfio_pm_pci.ko for KDIR
# make module-install  into the module tree of that kernel (DESTDIR, root)
# make test-modules    for all kernels of the test VM
# make test-variants   and once more for each, with answers of the headers turned round
#
# Included by the Makefile at the top. KDIR is a kernel's build tree; its
# files aren't written to, nor are ours: the build happens in a copy.

KDIR ?= /lib/modules/$(shell uname -r)/build
MODULE_CC ?=
MODULE_MAKE_ARGS ?=
LP_WITH ?=
LP_WITHOUT ?=

# Not "make kernelrelease": in Debian's headers that is the upstream version.
module-release = $(shell sed -n 's/.*UTS_RELEASE "\(.*\)"/\1/p' $(KDIR)/include/generated/utsrelease.h 2>/dev/null)
module-dir = $(abspath build/module)/$(module-release)$(MODULE_VARIANT)
module-sources := $(addprefix module/,Kbuild access.c account.c compat.h \
	config.c deepen.c driver.c low_power.c sysfs.c trace.h vfio_pm_pci.h zap.c)

.PHONY: module module-install module-clean test-modules test-variants

module:
	@test -n "$(module-release)" || { \
		echo "module: KDIR=$(KDIR) is no kernel build tree (hint: install linux-headers-$$(uname -r))" >&2; \
		exit 1; }
	@mkdir -p $(module-dir)
	@cp -pu $(module-sources) $(module-dir)/
	+$(MAKE) --no-print-directory -C $(KDIR) M=$(module-dir) \
		$(if $(MODULE_CC),CC=$(MODULE_CC)) $(MODULE_MAKE_ARGS) \
		LP_WITH="$(LP_WITH)" LP_WITHOUT="$(LP_WITHOUT)" modules

module-install: module
	install -d $(DESTDIR)/lib/modules/$(module-release)/updates
	install -m 644 $(module-dir)/vfio_pm_pci.ko \
		$(DESTDIR)/lib/modules/$(module-release)/updates/
	depmod $(if $(DESTDIR),-b $(DESTDIR)) $(module-release)

module-clean:
	rm -rf build/module

# The VM's kernels bring their build trees along (tests/vm/kernels.sh). Nothing
# is done while the sources are older than what was built: kbuild takes seconds
# to find that out.
test-kernels := 6.1 6.12 $(if $(VFIO_PM_DEBUG_KERNEL),debug)
test-modules: $(test-kernels:%=build/module/.built-%)
build/module/.built-%: $(module-sources) tests/vm/kernels.sh
	@mkdir -p $(@D)
	+$(Q)kdir=$$(tests/vm/kernels.sh headers $*) && \
		$(MAKE) -s --no-print-directory module KDIR=$$kdir
	@touch $@

# The paths of kernels that aren't here, to be run on those that are.
test-variants: $(test-kernels:%=build/module/.variants-%)
build/module/.variants-%: $(module-sources) module/module.mk tests/vm/kernels.sh
	@mkdir -p $(@D)
	+$(Q)kdir=$$(tests/vm/kernels.sh headers $*) && \
		$(MAKE) -s --no-print-directory module KDIR=$$kdir \
			MODULE_VARIANT=-core LP_WITH=DMABUFS && \
		$(MAKE) -s --no-print-directory module KDIR=$$kdir \
			MODULE_VARIANT=-reference LP_WITHOUT=IDLE_D3_FIELD
	@touch $@
