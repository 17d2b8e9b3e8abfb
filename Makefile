# make app    set up (once) and start the page          make test   set up (once) and run the tests of a few minutes
# make lint   style and static checks                    make slow   the long tests: every view, the ends of every range
# make docs   the documentation as a site, into site/; a broken link fails
# make bench  speed, side by side with other libraries
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PYTEST = $(BIN)/python -m pytest -n logical --maxprocesses 8 --dist loadgroup

.PHONY: app test slow lint docs bench clean
app: $(VENV)/ready
	$(BIN)/python app.py

test: $(VENV)/ready-dev
	$(PYTEST) -m "not slow"

slow: $(VENV)/ready-dev
	$(PYTEST) -m slow

lint: $(VENV)/ready-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@if command -v npm >/dev/null; then npm install --silent --no-package-lock && npx tsc --project tsconfig.json && npx pyright; \
	else echo "npm is missing: types are not checked"; fi

docs: $(VENV)/ready-dev
	$(BIN)/python -m pip install -q -e '.[docs]'
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

bench: $(VENV)/ready-dev
	$(BIN)/python -m pip install -q -e '.[bench]'
	$(BIN)/python -m mixviz bench

clean:
	rm -rf $(VENV)

# The folder cv2 belongs to whichever OpenCV package was installed last, and only contrib has cv2.saliency.
CHECK_CV2 = $(BIN)/python -c 'import cv2, sys; sys.exit(not hasattr(cv2, "saliency"))' 2>/dev/null \
	|| $(BIN)/python -m pip install -q --force-reinstall --no-deps opencv-contrib-python-headless; \
	$(BIN)/python -c 'import cv2; assert hasattr(cv2, "saliency"), "cv2.saliency is missing: reinstall opencv-contrib-python-headless"'

$(BIN)/python:
	$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), "MixViz needs Python 3.11 or newer: make PYTHON=python3.12"'
	$(PYTHON) -m venv $(VENV)

$(VENV)/ready: requirements.txt pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install -q -e .
	$(CHECK_CV2)
	touch $@

$(VENV)/ready-dev: $(VENV)/ready
	$(BIN)/python -m pip install -q -e '.[dev]'
	$(CHECK_CV2)
	touch $@
