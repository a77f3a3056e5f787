# Test programs: test/NAME_test.c, each with the sources it tests. Dynamic glibc, because ASan does not run under musl.
TEST_CC ?= gcc
CLANG ?= $(shell command -v clang-14 || command -v clang)
FUZZ_SECONDS ?= 30
TESTS := $(patsubst test/%_test.c,%,$(sort $(wildcard test/*_test.c)))
TEST_FLAGS := $(BASE) $(SANITIZED) -DGOLDEN_DIR='"$(abspath ../../protocol/golden)"'

TEST_SOURCES_golden := $(PARSERS) test/golden.c
TEST_SOURCES_wire := wire.c
TEST_SOURCES_frame := wire.c frame.c test/golden.c
TEST_SOURCES_plan := wire.c plan.c test/golden.c
TEST_SOURCES_files := wire.c files.c
TEST_SOURCES_layer := layer.c
TEST_SOURCES_cgroup_base := cgroup_base.c
TEST_SOURCES_probe := wire.c cgroup_base.c probe.c

define test_program
$(OUT)/$(1)_test: test/$(1)_test.c $(TEST_SOURCES_$(1)) $(HEADERS) $(wildcard test/*.h) Makefile test/test.mk | $(OUT)
	$(TEST_CC) $(TEST_FLAGS) $$(filter %.c,$$^) -o $$@
endef
$(foreach name,$(TESTS),$(eval $(call test_program,$(name))))

test: $(TESTS:%=$(OUT)/%_test)
	@status=0; for name in $(TESTS); do $(OUT)/$${name}_test || status=1; done; exit $$status

$(OUT)/golden_write: test/golden_write.c test/golden.c $(PARSERS) $(HEADERS) $(wildcard test/*.h) | $(OUT)
	$(TEST_CC) $(TEST_FLAGS) $(filter %.c,$^) -o $@

golden: $(OUT)/golden_write
	$(OUT)/golden_write ../../protocol/golden

.PHONY: test golden
