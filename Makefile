# Every target sets itself up: .venv from the hashed requirements and, for the tests as root, Debian packages.

BIN := .venv/bin

# Two workers: the end-to-end tests keep to one (they share the machine), everything else goes to both.
PYTEST_ARGS ?= -n 2 --dist loadgroup
TEST_PACKAGES := apache2 awstats bzip2 caddy chromium curl fonts-dejavu-core gawk goaccess haproxy iproute2 ipset jq \
	libcap2-bin lighttpd nftables nginx-light procps systemd xz-utils zstd
PEERS := fail2ban
JOURNAL := systemd-journal-remote libmicrohttpd12
LOCK := uv pip compile --quiet --universal --no-build --generate-hashes \
	--no-header --no-annotate --no-emit-index-url pyproject.toml

.PHONY: help demo test lint docs bench lock setup-run setup-dev packages

help: ## show this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 16

demo: setup-run ## a night of a small server, in the terminal: no root, no network
	@$(BIN)/privet demo

test: setup-dev packages lint docs ## lint, docs and all tests; as root the end-to-end tests too
	$(BIN)/pytest $(PYTEST_ARGS)

lint: setup-dev ## ruff, mypy, import-linter
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

docs: setup-dev ## the manual in docs/_build/html; warnings are errors
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going docs docs/_build/html

bench: setup-dev ## measure, with fail2ban and CrowdSec beside it where they have the feature
	@scripts/fetch-peer $(PEERS)
	@scripts/fetch-peer crowdsec || echo "Without it, nothing is compared with CrowdSec."
	$(BIN)/python -m bench

lock: ## pin the requirements again (needs uv); remove requirements/*.txt first for newer versions
	$(LOCK) requirements/run.in --output-file requirements/run.txt
	$(LOCK) requirements/dev.in --output-file requirements/dev.txt

setup-run setup-dev: setup-%:
	@scripts/setup $*

packages:
	@if [ "$$(id -u)" -eq 0 ]; then scripts/debian-packages $(TEST_PACKAGES); fi
	@scripts/fetch-peer $(PEERS) || echo "Without it, the tests that compare with $(PEERS) are skipped."
	@scripts/fetch-peer $(JOURNAL) || echo "Without them, the tests with a journal of our own are skipped."
