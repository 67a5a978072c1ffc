# shellcheck shell=sh
# Sourced by scripts/test and scripts/check: makes .venv hold the package and the dev group.
# uv gives the locked versions; without uv, pip resolves them anew within the bounds of pyproject.toml.

export PYTHONWARNDEFAULTENCODING=1  # open() without encoding= is an error in the tests
unset VIRTUAL_ENV PYTHONPATH PYTHONHOME

if command -v uv >/dev/null 2>&1; then
    UV_PROJECT_ENVIRONMENT=.venv uv sync --quiet --locked
else
    installed=.venv/installed-by-scripts
    if [ ! -e "$installed" ] || [ pyproject.toml -nt "$installed" ]; then
        [ -x .venv/bin/python ] || "${PYTHON:-python3}" -m venv .venv
        .venv/bin/python -m pip install -qq --upgrade 'pip>=25.1'  # the first with --group
        .venv/bin/python -m pip install -qq --editable . --group dev
        touch "$installed"
    fi
fi
PATH="$PWD/.venv/bin:$PATH"
