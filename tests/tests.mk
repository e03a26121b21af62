# SPDX-License-Identifier: GPL-2.0-or-later
#
# Included by the top-level Makefile. What is tested, and how it is run, is known to tests/run.sh;
# here are the names that a person types, and the programs that tests need.

UNIT_SRC := $(sort $(wildcard tests/unit/*.c))
VM_SRC := $(sort $(wildcard tests/vm/*.c))
MODULE_SRC := $(sort $(wildcard tests/module/*.c))
TEST_PROGRAMS := $(UNIT_SRC:tests/%.c=$(BUILD)/tests/%) $(VM_SRC:tests/%.c=$(BUILD)/tests/%) \
	$(MODULE_SRC:tests/%.c=$(BUILD)/tests/%)

# Linked with the static library: unit tests may call what isn't exported.
$(BUILD)/tests/%: tests/%.c $(BUILD)/libvfiopm.a $(BUILD)/flags
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(DEPFLAGS) $(ALL_CPPFLAGS) $(lib_cflags) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $< \
		$(BUILD)/libvfiopm.a $(lib_libs) -pthread
-include $(TEST_PROGRAMS:=.d)

test-programs: $(TEST_PROGRAMS)
unit-programs: $(UNIT_SRC:tests/%.c=$(BUILD)/tests/%)

# What boots in a QEMU inside the VM, for each of its kernels.
NESTED_KERNELS := 6.1 6.12
NESTED := $(wildcard tests/vm/nested/*)
test-nested: $(NESTED_KERNELS:%=$(BUILD)/tests/nested/%.cpio)
$(BUILD)/tests/nested/%.cpio: $(NESTED) tests/vm/kernels.sh
	$(call say,NESTED,$*)
	$(Q)tests/vm/nested/initrd.sh $* $@

# A second make: what is compiled with which flags is known once the packages are there.
second_make = $(MAKE) --no-print-directory $(if $(filter -j%,$(MAKEFLAGS)),,-j$(shell nproc))
define run_tests
	@tests/setup.sh
	@$(second_make) all $(if $(filter-out fast,$(1)),test-programs,unit-programs) \
		$(if $(filter vm debug soak bench,$(1)),test-modules) \
		$(if $(filter vm soak bench,$(1)),test-nested) $(if $(filter soak debug,$(1)),test-variants)
	@tests/run.sh $(1)
endef

check:
	$(call run_tests,fast slow vm)
# Much of it waits.
check-fast: export VFIO_PM_JOBS ?= 4
check-fast:
	$(call run_tests,fast)
check-vm:
	$(call run_tests,vm)
check-debug:
	$(call run_tests,debug)
soak:
	$(call run_tests,fast slow soak)
bench:
	$(call run_tests,-v bench)
demo:
	@tests/setup.sh
	@$(second_make) all
	@tests/demo.sh

.PHONY: check check-fast check-vm check-debug soak bench demo test-programs unit-programs test-nested
