# SPDX-License-Identifier: Apache-2.0
# The build of ditbench: one file, no recursion into folders. `make help` lists the targets, `make info` the features.

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:

# ---- knobs ----------------------------------------------------------------------------------------------------------
BUILD     ?= build
VARIANT   ?= release# release, debug, asan, tsan, coverage, fuzz
DEVELOPER ?= 0# 1: warnings are errors
V         ?= 0# 1: shows whole commands
PREFIX    ?= /usr/local
TESTS     ?= kernels comm models strategies harness# the floors that `make test` runs
ARGS      ?=# further arguments of the Criterion programs, such as --filter='tensor/*'
JOBS      ?= 2# test processes at a time
SECS      ?= 30# time of a fuzz target
EXP       ?= experiments/quickstart.yaml
CLANG     ?= clang
CLANG_FORMAT ?= clang-format-14
NVCC      ?= nvcc
CUDA_HOME ?= /usr/local/cuda
CUDA_ARCHS ?= 80 90# compute capabilities that get machine code; the newest as PTX too. `make bundle` takes:
CUDA_ALL   ?= 75 80 89 90
ifeq ($(origin CC),default)
CC := gcc
endif
PACKAGES := gcc make libc6-dev libopenblas-dev libopenmpi-dev openmpi-bin libjansson-dev libcyaml-dev zlib1g-dev \
            libpng-dev gnuplot-nox fonts-dejavu-core libcriterion-dev

OUT := $(if $(filter release,$(VARIANT)),$(BUILD),$(BUILD)/$(VARIANT))
OBJ := $(BUILD)/obj/$(VARIANT)

# ---- detection: a feature is there when a program links with it; WITH_X=0 or 1 on the command line overrules ---------
H := \#
, := ,
links = $(shell printf '%b' '$(1)' | $(CC) -x c - -o /dev/null $(2) >/dev/null 2>&1 && echo 1 || echo 0)
CUDA_INCLUDES := -isystem $(CUDA_HOME)/include -isystem $(CUDA_HOME)/extras/CUPTI/include
# These goals build nothing, or call make again once the packages are there.
QUICK := help clean deps bench test test-all test-asan test-tsan test-mpi test-cuda test-nccl bundle fuzz fuzz-all coverage golden bench-cpu check \
         check-format check-headers check-layers check-size uninstall
ifneq ($(filter-out $(QUICK),$(or $(MAKECMDGOALS),all)),)
MPI_CFLAGS ?= $(patsubst -I%,-isystem %,$(shell mpicc --showme:compile 2>/dev/null))
MPI_LIBS   ?= $(shell mpicc --showme:link 2>/dev/null)
WITH_BLAS      ?= $(call links,$(H)include <cblas.h>\nint main(void) { return openblas_get_num_threads(); },-lopenblas)
WITH_JANSSON   ?= $(call links,$(H)include <jansson.h>\nint main(void) { return !json_null(); },-ljansson)
WITH_CYAML     ?= $(call links,$(H)include <cyaml/cyaml.h>\nint main(void) { return !cyaml_version; },-lcyaml)
WITH_ZLIB      ?= $(call links,$(H)include <zlib.h>\nint main(void) { return !zlibVersion(); },-lz)
WITH_PNG       ?= $(call links,$(H)include <png.h>\nint main(void) { return !png_access_version_number(); },-lpng)
WITH_MPI       ?= $(call links,$(H)include <mpi.h>\nint main(void) { return MPI_Finalize(); },$(MPI_CFLAGS) $(MPI_LIBS))
WITH_CRITERION ?= $(call links,$(H)include <criterion/criterion.h>\nTest(a$(,) b) {},-lcriterion)
WITH_GNUPLOT   ?= $(if $(shell command -v gnuplot),1,0)
CUDA_LIBS := -L$(CUDA_HOME)/lib64 -lcudart_static -ldl -lrt -lstdc++
# Where a GPU is seen: compiling the kernels takes minutes that other machines need not spend.
WITH_CUDA      ?= $(if $(wildcard /dev/nvidia0 /dev/dxg),$(if $(shell command -v $(NVCC)),$(call links,$(H)include <cuda_runtime_api.h>\nint main(void) { return cudaFree(0); },-I$(CUDA_HOME)/include $(CUDA_LIBS)),0),0)
WITH_NCCL      ?= $(if $(filter 1,$(WITH_CUDA)),$(if $(wildcard $(CUDA_HOME)/include/nccl.h),1,0),0)# its header; the library is looked for at run time
# The newest of its records that is read; the library is looked for at run time.
WITH_CUPTI     ?= $(if $(filter 1,$(WITH_CUDA)),$(call links,$(H)include <cupti.h>\nint main(void) { return sizeof(CUpti_ActivityOverhead3) + sizeof(CUpti_ActivityKernel9) == 0; },$(CUDA_INCLUDES)),0)
WITH_NVTX      ?= $(if $(filter 1,$(WITH_CUDA)),$(if $(wildcard $(CUDA_HOME)/include/nvtx3/nvToolsExt.h),1,0),0)# headers only
endif
REQUIRED := $(strip $(if $(filter 0,$(WITH_BLAS)),OpenBLAS) $(if $(filter 0,$(WITH_JANSSON)),jansson) \
                    $(if $(filter 0,$(WITH_CYAML)),libcyaml) $(if $(filter 0,$(WITH_ZLIB)),zlib) \
                    $(if $(filter 0,$(WITH_PNG)),libpng))
ifeq ($(VARIANT),fuzz)
WITH_LIBFUZZER ?= $(shell echo 'int LLVMFuzzerTestOneInput(char *p, long n) { return p && n > 99; }' | $(CLANG) -x c - \
    -o /dev/null -fsanitize=fuzzer$(,)address$(,)undefined >/dev/null 2>&1 && echo 1 || echo 0)
override CC := $(if $(filter 1,$(WITH_LIBFUZZER)),$(CLANG),$(CC))
endif

# ---- flags ----------------------------------------------------------------------------------------------------------
WARNINGS := -Wall -Wextra -Wshadow -Wvla -Wpointer-arith -Wstrict-prototypes -Wmissing-prototypes -Wwrite-strings \
            $(if $(filter fuzz,$(VARIANT)),,-Wno-format-truncation)
SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
OPT_release  := -O2
OPT_debug    := -Og -DDEBUG
OPT_asan     := -O1 -DDEBUG $(SANITIZE)
OPT_tsan     := -O1 -DDEBUG -fsanitize=thread -fno-omit-frame-pointer
OPT_coverage := -O0 -DDEBUG --coverage -fprofile-update=atomic
OPT_fuzz     := -O1 -DDEBUG $(SANITIZE) $(if $(filter 1,$(WITH_LIBFUZZER)),-fsanitize=fuzzer-no-link)
OPT := $(or $(OPT_$(VARIANT)),$(error VARIANT=$(VARIANT): release, debug, asan, tsan, coverage and fuzz exist))
CPU_OPT := $(if $(filter release asan tsan,$(VARIANT)),-O3)# kernels/cpu: loops written to be vectorised
TEST_OPT := $(if $(filter asan,$(VARIANT)),-O0)# tests/harness, half of all tests: to compile them takes longer than to run their code
CFLAGS  ?= -g
C_FLAGS := -std=c17 $(OPT) $(WARNINGS) $(if $(filter 1,$(DEVELOPER)),$(if $(filter fuzz,$(VARIANT)),,-Werror)) \
           -fno-common -pthread $(CFLAGS)
DEFINES := -D_GNU_SOURCE -I. $(foreach x,MPI CUDA NCCL NVTX CUPTI,$(if $(filter 1,$(WITH_$(x))),-DWITH_$(x)=1)) $(CPPFLAGS) \
           -DDITBENCH_SOURCE_DIR='"$(CURDIR)"' -DDITBENCH_BUILD_DIR='"$(abspath $(OUT))"'
LIBS := -lopenblas -lcyaml -ljansson -lpng -lz $(if $(filter 1,$(WITH_MPI)),$(MPI_LIBS)) \
        $(if $(filter 1,$(WITH_CUDA)),$(CUDA_LIBS)) -lm $(LDLIBS)
NVCC_FLAGS := -I. -std=c++17 -O3 -Xfatbin -compress-all -Xcompiler -Wall,-Wextra,-fno-exceptions \
              $(if $(filter 1,$(DEVELOPER)),-Werror all-warnings) $(NVCCFLAGS)
NVCC_ALL := $(foreach a,$(CUDA_ARCHS),-gencode arch=compute_$(a)$(,)code=sm_$(a)) \
            -gencode arch=compute_$(lastword $(CUDA_ARCHS))$(,)code=compute_$(lastword $(CUDA_ARCHS))
COMMIT = $(shell git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)
DIRTY  = $(if $(shell git status --porcelain --untracked-files=no 2>/dev/null),1,0)

# ---- floors ---------------------------------------------------------------------------------------------------------
objects = $(patsubst %,$(OBJ)/%.o,$(basename $(1)))
CUDA_SOURCES := $(if $(filter 1,$(WITH_CUDA)),$(filter-out $(if $(filter 1,$(WITH_CUPTI)),,kernels/cuda/activity_parse.c $(wildcard kernels/cuda/counters_cupti_*.c)), \
                $(wildcard kernels/cuda/*.c kernels/cuda/*.cu)),kernels/cuda/attention_split.c)# which is tested everywhere
NOT_BUILT := $(if $(filter 1,$(WITH_MPI)),,kernels/comm/comm_mpi.c) \
             $(if $(filter 1,$(WITH_NCCL)),,kernels/comm/comm_nccl.c $(wildcard kernels/comm/nccl_*.c)) harness/main.c
sources = $(filter-out $(NOT_BUILT),$(wildcard $(addsuffix /*.c,$(1))))
kernels    := $(call objects,$(call sources,kernels/base kernels kernels/cpu) $(CUDA_SOURCES))
comm       := $(kernels) $(call objects,$(call sources,kernels/comm))
models     := $(kernels) $(call objects,$(call sources,models))
strategies := $(sort $(comm) $(models)) $(call objects,$(call sources,strategies))
harness    := $(strategies) $(call objects,$(call sources,$(wildcard harness/*)))

.PHONY: all objects FORCE
all: $(OUT)/ditbench ## the program
objects: $(harness)

run = @mkdir -p $(@D); $(if $(filter 1,$(V)),set -x;,echo "  $(1) $@";)
$(OBJ)/%.o: %.c $(OBJ)/.flags
	$(call run,CC) $(CC) $(DEFINES) $(MPI_CFLAGS) $(C_FLAGS) $(EXTRA) -MMD -MP -c -o $@ $<
# ptxas only remarks (C7510, C7512) that it makes products of warpgroups wait for each other: twice as slow.
$(OBJ)/%.o: %.cu $(OBJ)/.flags
	$(call run,NVCC) $(NVCC) $(NVCC_FLAGS) $(or $(NVCC_TARGETS),$(NVCC_ALL)) -MMD -MP -c -o $@ $< >$@.log 2>&1; \
	failed=$$?; cat $@.log; ! grep 'C75[0-9][0-9]' $@.log && exit $$failed
$(OBJ)/kernels/cpu/%.o: EXTRA = $(CPU_OPT)
$(OBJ)/tests/harness/%.o: EXTRA = $(TEST_OPT)
$(OBJ)/kernels/cuda/%_hopper.o: NVCC_TARGETS = -gencode arch=compute_90a$(,)code=sm_90a# what only 9.0 has, and no other gets
$(OBJ)/kernels/cuda/%.o $(OBJ)/kernels/comm/%nccl.o $(OBJ)/kernels/comm/nccl_%.o $(OBJ)/kernels/base/%_nvtx.o $(OBJ)/tests/cuda/test_activity%.o $(OBJ)/tests/nccl/%.o: EXTRA = $(CUDA_INCLUDES)
$(OBJ)/harness/host/env.o: EXTRA = -DDITBENCH_COMMIT='"$(COMMIT)"' -DDITBENCH_DIRTY=$(DIRTY) -DDITBENCH_FLAGS='"$(C_FLAGS)"'
$(OBJ)/harness/host/env.o: $(OBJ)/.commit

# Rewritten only when its text changes, so that another compiler, flag or feature rebuilds, and nothing else does.
stamp = @mkdir -p $(@D); printf '%s\n' '$(1)' | cmp -s - $@ || printf '%s\n' '$(1)' >$@
$(OBJ)/.flags: FORCE
	$(if $(REQUIRED),$(error not found: $(REQUIRED). Run `make deps`, then again. `make info` lists all features))
	$(call stamp,$(subst ',,$(CC) $(NVCC) $(DEFINES) $(MPI_CFLAGS) $(C_FLAGS) $(CPU_OPT) $(TEST_OPT) $(NVCC_FLAGS) $(NVCC_ALL)))
$(OBJ)/.commit: FORCE
	$(call stamp,$(COMMIT) $(DIRTY))

# Programs of a bundle find their libraries beside them; libraries of libraries too, hence the old form of the tag.
ifeq ($(BUNDLED),1)
override LDFLAGS += -Wl,--disable-new-dtags,-rpath,'$$ORIGIN/lib:$$ORIGIN/../lib'
endif
link = $(call run,LD) $(CC) $(OPT) -pthread $(LDFLAGS) -o $@ $(filter %.o %.a,$^) $(1) $(LIBS)
$(OUT)/ditbench: $(OBJ)/harness/main.o $(harness)
	$(call link)

# ---- tests: a Criterion program for each floor, linked with that floor and those below it only ------------------------
SUPPORT := $(OBJ)/libsupport.a
$(SUPPORT): $(call objects,$(wildcard tests/support/*.c))
	@rm -f $@; $(AR) rcs $@ $^

# tests/FLOOR/*.c is the floor's Criterion program; tests/FLOOR/worker/*.c, if there, a plain one that its tests start.
define floor_tests
$(OUT)/tests/$(1): $(call objects,$(wildcard tests/$(1)/*.c)) $($(1)) $(SUPPORT)
	$$(call link,-lcriterion)
ifneq ($(wildcard tests/$(1)/worker/*.c),)
$(OUT)/tests/$(1): | $(OUT)/tests/$(1)_worker
$(OUT)/tests/$(1)_worker: $(call objects,$(wildcard tests/$(1)/worker/*.c) $(filter-out tests/$(1)/test_%.c,$(wildcard \
    tests/$(1)/*.c))) $($(1)) $(SUPPORT)
	$$(call link)
endif
endef
$(foreach floor,kernels comm models strategies harness,$(eval $(call floor_tests,$(floor))))
$(OUT)/tests/harness: | $(OUT)/ditbench
ifeq ($(WITH_CRITERION)$(filter run-tests,$(MAKECMDGOALS)),0run-tests)
$(error Criterion was not found, so nothing can be tested: run `make deps`, then again)
endif
.PHONY: run-tests run-stress build-fuzz
# All mpiruns of a host share this one's parent; the last of them removes it when it is empty, and one that makes it meanwhile fails.
SESSIONS := $(or $(TMPDIR),/tmp)/ompi.$(shell uname -n | cut -d. -f1).$(shell id -u)/kept
run-tests: $(foreach floor,$(TESTS),$(if $(wildcard tests/$(floor)/test_*.c),$(OUT)/tests/$(floor)))
	@mkdir -p $(SESSIONS); export OPENBLAS_THREAD_TIMEOUT=4; failed=; for t in $^; do begin=$$(date +%s); echo "== $$t"; $(RUN) $$t -j$(JOBS) --timeout 600 $(ARGS) || failed="$$failed $$t"; \
	echo "== $$(($$(date +%s) - begin)) s: $$t"; done; \
	if [ -n "$$failed" ]; then echo "FAILED:$$failed"; exit 1; fi

# The NCCL transport, linked with a CUDA runtime and an NCCL that are fakes: needs CUDA's headers, and no GPU.
NCCL_TESTED := kernels/device.c kernels/op.c kernels/op_work.c kernels/cuda/stream.c kernels/cuda/exchange_lsa.c
$(OUT)/tests/nccl: LIBS := $(filter-out $(CUDA_LIBS),$(LIBS))
$(OUT)/tests/nccl: $(call objects,$(wildcard tests/nccl/*.c) $(call sources,kernels/base kernels/comm) $(NCCL_TESTED))
	$(call link,-lcriterion -Wl$(,)--wrap=calloc$(,)--wrap=malloc$(,)--wrap=dlopen$(,)--wrap=dlsym$(,)--wrap=dlclose)
.PHONY: run-nccl
run-nccl: $(if $(filter 11,$(WITH_NCCL)$(WITH_CRITERION)),$(OUT)/tests/nccl)
	@$(if $^,$(RUN) $< -j$(JOBS) --timeout 60 $(ARGS),echo "SKIP tests/nccl: nccl.h or Criterion was not found")

# Tests on GPUs: a plain program, since GPU machines seldom have Criterion.
$(OUT)/tests/cuda: $(call objects,$(wildcard tests/cuda/*.c)) $(harness) $(SUPPORT)
	$(call link)

# Programs of one source with a plain main: tests/stress/X.c, tests/bench/X.c; and fuzz targets, tests/fuzz/fuzz_X.c.
$(OUT)/stress/%: $(OBJ)/tests/stress/%.o $(strategies) $(SUPPORT)
	$(call link)
$(OUT)/bench/ops_cuda: $(OBJ)/tests/bench/rate.o $(OBJ)/tests/bench/products.o $(OBJ)/tests/bench/image.o
$(OUT)/bench/%: $(OBJ)/tests/bench/%.o $(harness) $(SUPPORT)
	$(call link)
$(OUT)/fuzz/%: $(OBJ)/tests/fuzz/fuzz_%.o $(if $(filter 1,$(WITH_LIBFUZZER)),,$(OBJ)/tests/fuzz/standalone.o) $(harness)
	$(call link,$(if $(filter 1,$(WITH_LIBFUZZER)),-fsanitize=fuzzer))
.SECONDARY:
run-stress: $(patsubst tests/stress/%.c,$(OUT)/stress/%,$(wildcard tests/stress/*.c))
	@for t in $^; do echo "== $$t"; $(RUN) $$t || exit 1; done
FUZZ ?= $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
build-fuzz: $(FUZZ:%=$(OUT)/fuzz/%)

# ---- what a user calls ----------------------------------------------------------------------------------------------
PARALLEL = $(if $(filter -j%,$(MAKEFLAGS)),,-j$(shell nproc))
AGAIN = $(MAKE) --no-print-directory $(PARALLEL)
# Sanitizers of older compilers cannot place their shadow memory where a kernel randomises many address bits.
FIXED := $(shell setarch -R true 2>/dev/null && echo setarch -R)
LOGS = $(abspath $(BUILD))/$(1)/log
# A leak does not fail a Criterion test by itself: any report does. Leaks under mpirun are not looked for: MPI's own, of modules
# that it has unloaded, look like ours. gcc 13.2 misaligns AVX-512 variables where it watches frames after their return.
judge = || failed=1; tests/tools/sanitizer-logs $(LOGS) || failed=1; exit $$failed
.PHONY: deps bench test test-all test-asan test-tsan test-mpi test-cuda test-nccl bundle cuda-programs fuzz fuzz-all golden coverage bench-cpu sweep plots plots-again \
        install uninstall

deps: ## installs the Debian or Ubuntu packages that are missing, or prints how
	@tests/tools/deps.sh $(PACKAGES)
bench: ## from a fresh clone to a table and plots: deps, build, the quickstart sweep
	@tests/tools/deps.sh $(PACKAGES) || true
	+@$(AGAIN) all
	$(OUT)/ditbench sweep experiments/quickstart.yaml
	$(OUT)/ditbench plot results/quickstart.jsonl
test: ## from a fresh clone to tested: deps, build, every Criterion program (TESTS=, ARGS=, VARIANT=)
	@tests/tools/deps.sh $(PACKAGES) || true
	+@$(AGAIN) run-tests
test-all: ## the same with nothing left out: every family under every hybrid to 8 ranks, over threads and mpirun
	+@DITBENCH_TESTS=all $(AGAIN) run-tests
test-asan: ## the Criterion programs under the address, leak and undefined-behaviour sanitizers
	@mkdir -p $(BUILD)/asan; rm -f $(call LOGS,asan).*
	+@failed=0; export OPENBLAS_NUM_THREADS=1 ASAN_OPTIONS=log_path=$(call LOGS,asan):detect_stack_use_after_return=0; \
	export UBSAN_OPTIONS=print_stacktrace=1 LSAN_OPTIONS=suppressions=$(CURDIR)/tests/tools/lsan.supp:print_suppressions=0 \
	OMPI_MCA_mca_base_env_list="ASAN_OPTIONS=$$ASAN_OPTIONS:detect_leaks=0"; \
	$(AGAIN) VARIANT=asan RUN="$(FIXED)" run-tests $(call judge,asan)
test-tsan: ## tests/stress/*.c under the thread sanitizer
	@mkdir -p $(BUILD)/tsan; rm -f $(call LOGS,tsan).*
	+@failed=0; TSAN_OPTIONS=log_path=$(call LOGS,tsan):suppressions=$(CURDIR)/tests/tools/tsan.supp \
	$(AGAIN) VARIANT=tsan RUN="$(FIXED)" run-stress $(call judge,tsan)
test-mpi: ## only the tests that start mpirun
	+@$(AGAIN) TESTS="comm strategies harness" ARGS="--filter=*mpi*/*" run-tests
test-cuda: ## operations, reference files and whole loops on GPUs; needs one, better two
	+@$(AGAIN) WITH_CUDA=1 $(OUT)/tests/cuda
	$(OUT)/tests/cuda
test-nccl: ## the NCCL transport over fakes of CUDA and NCCL: no GPU, only their headers
	+@$(AGAIN) BUILD=$(BUILD)/cuda WITH_CUDA=1 RUN="$(FIXED)" run-nccl
bundle: ## one folder that runs on a GPU machine where nothing can be installed: BUILD/bundle
	+@$(AGAIN) BUILD=$(BUILD)/for-bundle WITH_MPI=0 WITH_CUDA=1 CUDA_ARCHS="$(CUDA_ALL)" BUNDLED=1 cuda-programs
	tests/device/bundle.sh $(BUILD)/for-bundle $(BUILD)/bundle
cuda-programs: $(OUT)/ditbench $(OUT)/tests/cuda $(OUT)/bench/ops_cuda
fuzz fuzz-all: ## the parsers on hostile input, two at a time: FUZZ=name, or all; SECS=30 each
	+@$(AGAIN) VARIANT=fuzz build-fuzz
	@printf '%s\n' $(FUZZ) | xargs -P 2 -I NAME $(FIXED) tests/tools/fuzz.sh $(BUILD)/fuzz NAME $(SECS)
coverage: ## line coverage of the tests (needs gcovr)
	@command -v gcovr >/dev/null || { echo "gcovr was not found: apt-get install gcovr"; exit 1; }
	+@$(AGAIN) VARIANT=coverage run-tests
	gcovr -r . --exclude tests/ --print-summary $(BUILD)/obj/coverage
golden: ## makes the reference files in tests/golden again, stale ones too (python3-venv, 6 GB of torch and diffusers from PyPI)
	python3 -m venv $(BUILD)/golden
	$(BUILD)/golden/bin/pip install -q $$(sed -n '/^PINS = /s/[^a-z0-9.,:]//gp' tests/golden/generate.py | \
	    sed 's/:/==/g;s/,/ /g')
	$(BUILD)/golden/bin/python tests/golden/generate.py
	$(BUILD)/golden/bin/python tests/golden/stale.py
	$(BUILD)/golden/bin/python tests/golden/vae.py
bench-cpu: ## one denoising step on the CPU against diffusers
	+@$(AGAIN) all
	tests/bench/cpu_step.sh
sweep: $(OUT)/ditbench ## one experiment: EXP=experiments/NAME.yaml
	$(OUT)/ditbench sweep $(EXP)
plots: $(OUT)/ditbench ## from results/ all charts, tables and pages that the READMEs show; needs no GPU
	plots/make.sh $<
plots-again: $(OUT)/ditbench ## makes them twice elsewhere, and compares every byte
	tests/tools/plots-again $<
SHARE = $(DESTDIR)$(PREFIX)/share/ditbench
install: $(OUT)/ditbench ## into PREFIX (/usr/local), DESTDIR honoured
	install -Dt "$(DESTDIR)$(PREFIX)/bin" $(OUT)/ditbench
	install -m 644 -Dt "$(SHARE)/plots" plots/*.gp
	install -m 644 -Dt "$(SHARE)/experiments" experiments/*.yaml
	install -m 644 -Dt "$(SHARE)/experiments/paper" experiments/paper/*.yaml
	install -m 644 -Dt "$(SHARE)/results/published" results/published/*.csv
uninstall: ## removes what `make install` wrote there
	for f in plots/*.gp experiments/*.yaml experiments/paper/*.yaml results/published/*.csv; do rm -f "$(SHARE)/$$f"; done
	rm -f "$(DESTDIR)$(PREFIX)/bin/ditbench"
	@rmdir "$(SHARE)/plots" "$(SHARE)/experiments/paper" "$(SHARE)/experiments" "$(SHARE)/results/published" "$(SHARE)/results" "$(SHARE)" 2>/dev/null || true # they stay where more lies in them

# ---- checks ---------------------------------------------------------------------------------------------------------
.PHONY: check sources check-format check-headers check-layers check-size check-names
SOURCES := $(shell find harness strategies kernels models tests -name '*.[ch]' -o -name '*.cu' -o -name '*.cuh' -o -name '*.inc')
check: ## everything that CI asks besides `make test`
	+@for part in sources test-asan test-tsan fuzz-all; do begin=$$(date +%s); $(AGAIN) $$part || exit 1; \
	echo "== $$(($$(date +%s) - begin)) s: $$part"; done
sources: check-format check-headers check-layers check-size check-names ## the checks that read the sources only
check-format: ## the sources are as clang-format 14 writes them
	@$(CLANG_FORMAT) --version | grep -q 'version 14' || { echo "apt-get install clang-format-14"; exit 1; }
	@$(CLANG_FORMAT) --dry-run -Werror $(filter-out %.inc,$(SOURCES))
check-headers: ## each header compiles alone
	@CC="$(CC)" tests/tools/check-headers $(filter %.h,$(SOURCES))
check-layers: ## includes point down only
	@awk -f tests/tools/check-layers $(SOURCES)
check-size: ## no long files, no long functions
	@awk -f tests/tools/check-size $(SOURCES)
check-names: $(harness) ## a public symbol starts with its module's name
	@tests/tools/check-names $(OBJ) $^

# ---- help -----------------------------------------------------------------------------------------------------------
.PHONY: info help clean
feature = @printf '%-10s %-4s %s\n' $(1) $(if $(filter 1,$(2)),yes,no) "$(3)"
info: ## what was found on this machine, and how to get the rest
	@printf '%-10s %s\n' compiler "$$($(CC) --version | head -1)" flags '$(C_FLAGS)'
	$(call feature,OpenBLAS,$(WITH_BLAS),required: apt-get install libopenblas-dev)
	$(call feature,jansson,$(WITH_JANSSON),required: apt-get install libjansson-dev)
	$(call feature,libcyaml,$(WITH_CYAML),required: apt-get install libcyaml-dev)
	$(call feature,zlib,$(WITH_ZLIB),required: apt-get install zlib1g-dev)
	$(call feature,libpng,$(WITH_PNG),required (pictures of decoded latents): apt-get install libpng-dev)
	$(call feature,MPI,$(WITH_MPI),transport mpi: apt-get install libopenmpi-dev openmpi-bin)
	$(call feature,Criterion,$(WITH_CRITERION),make test: apt-get install libcriterion-dev)
	$(call feature,gnuplot,$(WITH_GNUPLOT),ditbench plot: apt-get install gnuplot-nox fonts-dejavu-core)
	$(call feature,CUDA,$(WITH_CUDA),backend cuda: the CUDA toolkit; CUDA_HOME=$(CUDA_HOME) NVCC=$(NVCC))
	$(call feature,CUPTI,$(WITH_CUPTI),what a GPU does$(,) for ditbench profile: comes with CUDA 12.8 or newer; CUDA_HOME=$(CUDA_HOME))
	$(call feature,NVTX,$(WITH_NVTX),ranges for profilers (--nvtx): comes with CUDA; CUDA_HOME=$(CUDA_HOME))
help: ## this list
	@awk -F':.*## ' '/^[a-z -]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' Makefile
clean: ## removes BUILD
	rm -rf $(BUILD)

-include $(patsubst %.o,%.d,$(shell find $(OBJ) -name '*.o' 2>/dev/null))
