# Test programs: test/NAME_test.c, each with the sources it tests. Dynamic glibc, because ASan does not run under musl.
TEST_CC ?= gcc
CLANG ?= $(shell command -v clang-14 || command -v clang)
FUZZ_SECONDS ?= 30
TARGETS := frame plan job
TESTS := $(patsubst test/%_test.c,%,$(sort $(wildcard test/*_test.c)))
TEST_FLAGS := $(BASE) $(SANITIZED) -DGOLDEN_DIR='"$(abspath ../../protocol/golden)"'

TEST_SOURCES_golden := $(PARSERS) test/golden.c
TEST_SOURCES_wire := wire.c
TEST_SOURCES_frame := wire.c frame.c test/golden.c
TEST_SOURCES_plan := wire.c plan.c test/golden.c
TEST_SOURCES_files := wire.c files.c
TEST_SOURCES_landlock_audit := wire.c landlock_audit.c
TEST_SOURCES_layer := layer.c
TEST_SOURCES_channel := channel.c
TEST_SOURCES_cgroup_base := cgroup_base.c
TEST_SOURCES_cgroup_meter := cgroup_meter.c
TEST_SOURCES_network := loopback.c netlink.c network.c nft_rule.c nftables.c nftables_read.c route.c
TEST_SOURCES_vault := wire.c
TEST_SOURCES_probe := wire.c cgroup_base.c landlock_audit.c probe.c side_channels.c vault.c packets.c veth.c $(TEST_SOURCES_network)

define test_program
$(OUT)/$(1)_test: test/$(1)_test.c $(TEST_SOURCES_$(1)) $(HEADERS) $(wildcard test/*.h) Makefile test/test.mk | $(OUT)
	$(TEST_CC) $(TEST_FLAGS) $$(filter %.c,$$^) -o $$@
endef
$(foreach name,$(TESTS),$(eval $(call test_program,$(name))))

test: $(TESTS:%=$(OUT)/%_test) $(TARGETS:%=$(OUT)/%_replay) $(OUT)/seeds/done
	@status=0; \
	for name in $(TESTS); do $(OUT)/$${name}_test || status=1; done; \
	for name in $(TARGETS); do printf "corpus of $$name: "; $(OUT)/$${name}_replay $(FUZZ)/corpus/$$name $(OUT)/seeds/$$name || status=1; done; \
	exit $$status

$(OUT)/golden_write: test/golden_write.c test/golden.c $(PARSERS) $(HEADERS) $(wildcard test/*.h) | $(OUT)
	$(TEST_CC) $(TEST_FLAGS) $(filter %.c,$^) -o $@

golden: $(OUT)/golden_write
	$(OUT)/golden_write ../../protocol/golden

# Fuzzing. The golden messages are the seeds, fuzz/corpus/TARGET what was found from them.
FUZZ_SOURCES := $(FUZZ)/believe.c $(PARSERS)

$(OUT)/seeds/done: $(OUT)/golden_write
	mkdir -p $(TARGETS:%=$(OUT)/seeds/%) $(OUT)/seeds/all
	$(OUT)/golden_write $(OUT)/seeds/all raw
	for name in $(TARGETS); do cp $(OUT)/seeds/all/$$name-* $(OUT)/seeds/$$name/; done
	touch $@

$(TARGETS:%=$(OUT)/%_replay): $(OUT)/%_replay: $(FUZZ)/%_fuzz.c $(FUZZ)/replay.c $(FUZZ_SOURCES) $(FUZZ)/fuzz.h $(HEADERS) | $(OUT)
	$(TEST_CC) $(TEST_FLAGS) $(filter %.c,$^) -o $@

$(TARGETS:%=$(OUT)/%_fuzz): $(OUT)/%_fuzz: $(FUZZ)/%_fuzz.c $(FUZZ_SOURCES) $(FUZZ)/fuzz.h $(HEADERS) | $(OUT)
	$(CLANG) $(BASE) -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all $(filter %.c,$^) -o $@

# New inputs go to build/, and are taken over into fuzz/corpus where they cover something new (make corpus).
ifneq ($(shell printf 'int LLVMFuzzerTestOneInput(const char *d, unsigned long n) { return d && n ? 0 : 0; }' | \
  $(or $(CLANG),false) -fsanitize=fuzzer,address -x c - -o /dev/null 2>/dev/null && echo works),works)
fuzz corpus:
	@echo "skipped - $@: needs clang with libFuzzer (apt-get install clang-14 libclang-rt-14-dev)"
else
fuzz: $(TARGETS:%=$(OUT)/%_fuzz) $(OUT)/seeds/done
	for name in $(TARGETS); do \
	  mkdir -p $(OUT)/found/$$name $(OUT)/crashes; \
	  $(OUT)/$${name}_fuzz -max_total_time=$(FUZZ_SECONDS) -timeout=5 -rss_limit_mb=1024 -max_len=16384 -use_value_profile=1 -print_final_stats=1 \
	    -verbosity=0 -artifact_prefix=$(OUT)/crashes/$$name- $(OUT)/found/$$name $(FUZZ)/corpus/$$name $(OUT)/seeds/$$name || exit 1; \
	done

corpus: $(TARGETS:%=$(OUT)/%_fuzz) $(OUT)/seeds/done
	for name in $(TARGETS); do \
	  mkdir -p $(OUT)/found/$$name $(OUT)/merged/$$name; \
	  $(OUT)/$${name}_fuzz -merge=1 -max_len=16384 $(OUT)/merged/$$name $(OUT)/seeds/$$name $(FUZZ)/corpus/$$name $(OUT)/found/$$name || exit 1; \
	  rm -rf $(FUZZ)/corpus/$$name && mv $(OUT)/merged/$$name $(FUZZ)/corpus/$$name; \
	done
endif

# Line coverage of the parsers by nothing but the seeds and the corpus (gcov's summary on standard error's place: -n).
COVERED := $(abspath $(OUT))/coverage
coverage: $(OUT)/seeds/done
	rm -rf $(COVERED) && mkdir -p $(TARGETS:%=$(COVERED)/%)
	for name in $(TARGETS); do \
	  for source in $(PARSERS) $(FUZZ)/believe.c $(FUZZ)/replay.c $(FUZZ)/$${name}_fuzz.c; do \
	    $(TEST_CC) $(BASE) -O0 --coverage -c $$source -o $(COVERED)/$$name/$$(basename $$source .c).o || exit 1; \
	  done; \
	  $(TEST_CC) --coverage $(COVERED)/$$name/*.o -o $(COVERED)/$$name/replay && \
	  $(COVERED)/$$name/replay $(FUZZ)/corpus/$$name $(OUT)/seeds/$$name || exit 1; \
	done
	sh test/coverage.sh $(COVERED) 90 $(PARSERS)

.PHONY: test golden fuzz corpus coverage
