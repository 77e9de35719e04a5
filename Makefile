# `make help` lists the commands; each one sets up what it needs.

VENV := .venv
BIN  := $(VENV)/bin
# The first of these that is new enough; asked only when the environment is made.
PYTHON ?= $(shell for p in python3 python3.11 python3.12 python3.13 python3.14; do \
            $$p -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)

PHOTOS  ?=
QUALITY ?= high
GRACE   ?= 7 days
LIMIT   ?= 25
KEEP    ?=
KODAK   ?= ../shared/data/kodak
PHONE   ?= ../shared/data/phone
CROP    ?= 1024
ONLY    ?=
PEERS   ?= jpeg,jpegli,webp,avif,jxl
MODEL   ?=
JOBS    ?= 1
LEVEL   ?= high
SCORE   ?= 80
SIZE    ?= 0
JSON    ?= .bench/rd.json
FIGURES ?= .bench
SIZES   ?=
FILES   ?=
PLACE   ?=
MINUTES ?=

.DEFAULT_GOAL := help
.PHONY: help run test test-all ready-for-tests loops corpus lint bench-rd bench-speed bench-guard bench-look bench-search bench-soak bench-scale fuzz manual unit-verify clean

# The tests run with one thread: torch's threads spin, and two processes with two each slow one another tenfold.
test test-all corpus: export OMP_NUM_THREADS = 1
# Compiled once and kept, whatever the shell says: some two hundred processes are started that import the program.
test test-all corpus: export PYTHONDONTWRITEBYTECODE =

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

run: $(VENV)/ready-to-run  ## try it on copies of your photos: make run PHOTOS=~/Pictures/2021 [QUALITY=high] [GRACE="7 days"] [LIMIT=25] [KEEP=1]
	@$(BIN)/python scripts/try_it.py --photos "$(PHOTOS)" --quality "$(QUALITY)" --grace "$(GRACE)" --limit "$(LIMIT)" $(if $(KEEP),--keep)

PYTEST := $(BIN)/pytest -q -n auto --dist loadfile

test: ready-for-tests  ## set up, check the style, the types and the import rules, run the tests
	@$(PYTEST) -m "not slow and not bench"

test-all: ready-for-tests  ## the same with the slow tests
	@$(PYTEST) -m "not bench"

# Beside one another: each keeps one processor busy.
ready-for-tests: $(VENV)/ready-to-test
	@$(MAKE) --no-print-directory -j 2 lint loops

loops: $(VENV)/ready-to-test
	@$(BIN)/python -m tests.compile_loops

corpus: $(VENV)/ready-to-test  ## every file of ../shared/corpus through optimize and restore, twice: [ONLY=icc,motion]
	@CORPUS_ONLY="$(ONLY)" $(BIN)/pytest -q -s -m corpus tests/corpus -k every

lint: $(VENV)/ready-to-test  ## ruff (faults, and the layout), mypy and import-linter
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

# One thread for each process: threads that spin slow one another tenfold. What is measured of the peers is kept in .bench.
bench-rd bench-speed bench-guard bench-look bench-search: export OMP_NUM_THREADS = 1
bench-rd bench-speed bench-guard bench-look bench-search: export NUMBA_NUM_THREADS = 1
bench-rd: $(VENV)/ready-to-test  ## rate and distortion beside the peers, real bytes: [CROP=1024|0 LIMIT_EACH=3 PEERS=jpeg,avif MODEL=m2|FILE JOBS=2 FIGURES=docs/figures]
	@$(BIN)/python -m tests.bench.rd --kodak "$(KODAK)" --phone "$(PHONE)" --crop $(CROP) --peers "$(PEERS)" --jobs $(JOBS) \
	    --cache .bench/rd --json "$(JSON)" --figures "$(FIGURES)" $(if $(MODEL),--model "$(MODEL)") $(if $(LIMIT_EACH),--limit $(LIMIT_EACH))

bench-speed: $(VENV)/ready-to-test  ## time and memory of a 12-megapixel photo beside the peers: [PHONE=DIR MODEL=m2|FILE]
	@$(BIN)/python -m tests.bench.speed $(if $(wildcard $(PHONE)),--phone "$(PHONE)") $(if $(MODEL),--model "$(MODEL)") --json .bench/speed.json

bench-guard: $(VENV)/ready-to-test  ## what a gallery comes to, lane by lane, beside the peers at the same guard: [LEVEL=high LIMIT_EACH=3 SIZE=1024 MODEL=m2|FILE]
	@$(BIN)/python -m tests.bench.guarded --phone "$(PHONE)" --level $(LEVEL) --size $(SIZE) --cache .bench/guard --json .bench/guard.json \
	    $(if $(MODEL),--model "$(MODEL)") $(if $(LIMIT_EACH),--limit $(LIMIT_EACH))

bench-look: $(VENV)/ready-to-test  ## pictures to look at: original, ours and AVIF at equal bytes, into .bench/look: [SCORE=80 MODEL=m2|FILE]
	@$(BIN)/python -m tests.bench.look --phone "$(PHONE)" --kodak "$(KODAK)" --out .bench/look --score $(SCORE) $(if $(MODEL),--model "$(MODEL)")

bench-search: $(VENV)/ready-to-test  ## the rate search beside an exhaustive one, and its cost: [LEVEL=high ONLY=p02,p10 SIZE=2048x1536|whole]
	@$(BIN)/python -m tests.bench.search --phone "$(PHONE)" --level $(LEVEL) --crop $(if $(findstring x,$(SIZE))$(findstring whole,$(SIZE)),$(SIZE),2048x1536) \
	    --only "$(ONLY)" --json .bench/search.json

bench-soak: $(VENV)/ready-to-test  ## the real service while photos come, change and go, and it is killed now and then: [MINUTES=120]
	@$(BIN)/python -m tests.bench.soak --photos "$(PHONE)" --minutes $(or $(MINUTES),120)

manual: $(VENV)/ready-to-run  ## the man page and the shells' completions, from the parser
	@$(BIN)/python scripts/make_manual.py

bench-scale: $(VENV)/ready-to-test  ## catalogues of up to a million photos, galleries of 100,000 files: [SIZES=10000,1000000 FILES=100000 PLACE=DIR]
	@$(BIN)/python -m tests.bench.scale $(if $(SIZES),--sizes "$(SIZES)") $(if $(FILES),--files "$(FILES)") $(if $(PLACE),--place "$(PLACE)")

fuzz: $(VENV)/ready-to-test  ## everything that reads what strangers wrote, fed with damage and malice: [MINUTES=60 ONLY=jpeg,png]
	@OMP_NUM_THREADS=1 NUMBA_NUM_THREADS=1 $(BIN)/python -m tests.fuzz.run --minutes $(or $(MINUTES),60) $(if $(ONLY),--only "$(ONLY)")

unit-verify:  ## let systemd read the unit files
	@systemd-analyze verify --man=no systemd/*.service

clean:  ## remove what the other commands made: the environment, the scratch gallery, caches
	rm -rf $(VENV) scratch build *.egg-info .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find codec storage daemon scripts tests -name __pycache__ -type d -prune -exec rm -rf {} +

# Editable, so that the checkout itself is what runs. constraints.txt holds the versions everything was tested with.
$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "gallery-optimizer needs Python 3.11 or newer, with its venv module" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)

$(VENV)/ready-to-run: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "Setting up $(VENV), once: downloads PyTorch and a few more packages, 1.5 GB on the disk or more." >&2
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt -e ".[demo]"
	@touch $@

$(VENV)/ready-to-test: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "Setting up $(VENV) with the tools for testing, once: downloads PyTorch and more packages, 2 GB on the disk or more." >&2
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt -e ".[demo,dev]"
	@touch $@ $(VENV)/ready-to-run
